"""A network of your own: a dense network with memory, on a stack of pictures. See own_network.md."""

import torch


class MyNetwork(torch.nn.Module):
    """One dense layer, a GRU cell, and linear heads for the actor and the critic."""

    def __init__(self, actions: int, width: int = 64, inputs: int = 4 * 84 * 84):
        super().__init__()
        self.actions, self.width = actions, width
        self.see = torch.nn.Linear(inputs, width)
        self.remember = torch.nn.GRUCell(width, width)
        self.actor, self.critic = torch.nn.Linear(width, actions), torch.nn.Linear(width, 1)

    def initial_memory(self):
        """Return the memory before the first frame."""
        return {"h": torch.zeros(1, self.width)}

    def step(self, observation, memory):
        """Return logits (batch, actions), value (batch,) and the new memory."""
        seen = torch.relu(self.see(observation.flatten(1)))
        h = self.remember(seen, memory["h"])
        return self.actor(h), self.critic(h)[:, 0], {"h": h}
