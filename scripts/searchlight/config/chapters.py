"""Prose of the reference in ``config/README.md``; ``searchlight.config.reference`` adds the tables."""

INTRODUCTION = """\
# The configuration

<!-- Written by `make docs` from the models in scripts/searchlight/config: edit those. -->

`config.yaml` is the default run. Edit it and run `snakemake --cores all` again: only what changed is computed. Or keep
your changes in a file of their own and lay it over the default:

```
snakemake --cores all --configfile config/notebook.yaml
```

Such a file holds only what differs. An entry set to `null` is taken out (`clips: {demo: null}`). Names of agents,
perturbations, methods and clips are yours: letters, digits, `-` and `_`. To replace a perturber, scorer or fill of the
default, take out its name the same way (`perturber: {SlidingWindow: null, SlidingRadial: {...}}`, `fill: {blur: null,
background: 50}`), or use a new entry.

Nothing is deleted when the config names it no more: `snakemake list_unused --cores 1` lists such results, with their
logs and benchmarks, and `delete_unused` deletes them, while no other Snakemake is at work.

| preset | what it is |
|---|---|
"""


CHECKPOINTS = """\
## Checkpoints

- `bundled:NAME`: an agent that ships with the project.
- `catalogue:NAME`: a known public agent of [the catalogue](#the-catalogue), with its environment and the rest.
- `path/to/file`: a file of torch (`.tar`, `.pt`, `.pth`), safetensors, CleanRL (`.cleanrl_model`), or a zip archive.
- `logs/ppo/BreakoutNoFrameskip-v4_1`: a folder. Of rl-baselines3-zoo's, `{env}.zip` is taken, else `best_model.zip`,
  else the `rl_model_{steps}_steps.zip` of the highest step; of an unzipped agent of stable-baselines3, `policy.pth`; of
  any other folder, its one checkpoint.
- `logs/ppo/BreakoutNoFrameskip-v4_1/rl_model_*_steps.zip`: a pattern. Of several snapshots in one folder, the one with
  the highest step is taken.
- `https://…`: an address.
- `hub:ORG/NAME[@REVISION][/FILE]`: a file of the Hugging Face hub. `FILE` may be a pattern, such as
  `rl_model_*_steps.zip`; without it, the repository's one checkpoint is taken, as of a folder. `REVISION` is a commit,
  branch or tag, or a pattern of branches and tags; without it, the newest commit is taken.
- `sb3:ppo/BreakoutNoFrameskip-v4[@REVISION]`: an agent of rl-baselines3-zoo, short for
  `hub:sb3/ppo-BreakoutNoFrameskip-v4/ppo-BreakoutNoFrameskip-v4.zip`.
- `cleanrl:BreakoutNoFrameskip-v4-dqn_atari-seed1[@REVISION]`: an agent of CleanRL, short for
  `hub:cleanrl/BreakoutNoFrameskip-v4-dqn_atari-seed1/dqn_atari.cleanrl_model`. Weights of JAX are not read.

`sb3:` and `cleanrl:` also fill in the environment, how it is wrapped and prepared, and the network, where the agent's
own keys do not say them.

A local file that has changed, or a snapshot with a higher step, is another checkpoint: it is fetched again. What is
fetched from elsewhere stays. So that others get the same, pin it: by `sha256`, or on the hub by the commit. Each run
prints the line that does it, until it is there.

Downloads from the hub go through `huggingface_hub`, into the job's own folder: the home folder keeps nothing of them.
`HF_ENDPOINT` names another server, and `HF_TOKEN` is for private and gated repositories."""


NETWORKS = """\
## Networks

What a checkpoint holds. The names and shapes of its tensors tell which network it is; arguments say what they do not.
A network that is not here can be [a class of your own file](../docs/own_network.md)."""


ENVIRONMENTS = """\
## Environments

An environment is an id or an id with arguments: `env: {id: ALE/Breakout-v5, frameskip: 4, repeat_action_probability:
0}`, which is what `BreakoutDeterministic-v4` was.

`MODULE:ID` is an environment of your own, of a game that ale-py has. With `env: my_envs:HardBreakout-v0`, this is
`my_envs.py`, in the folder in which you run Snakemake:

```python
import gymnasium

gymnasium.register("HardBreakout-v0", "ale_py.env:AtariEnv", kwargs={"game": "breakout", "difficulty": 1})
```

Its code runs. When it changes, its agents play again; a folder `my_envs/` with several files works too. Other files
that it imports are not watched."""


WRAPPERS = """\
## Wrappers

What an agent meets between two decisions. Most published agents were trained in wrappers that repeat each action and
show the maximum of two frames; without them they play another game. They need an environment that skips no frames
itself. The episode's score is the sum of the game's own rewards, also of those between two decisions."""


FILLS = """\
## Fills

What a map shows depends on what hides a patch. A good fill makes a picture that the agent could have seen, only without
the thing. A fill with one argument takes its value directly, too: `{blur: 3}` is `{blur: {sigma: 3}}`.

The default's method `erase` is `background` in windows of 8x8 pixels, `greydanus` is the paper's blur, and
[`notebook.yaml`](notebook.yaml) has the notebook's black windows."""


PERTURBERS = """\
## Perturbers

Which patches are hidden. Any other `PerturbImage` plug-in of xaitk-saliency that is installed is found by its name too;
`MCRISEGrid`, which needs one fill per colour, is not supported."""


SCORERS = """\
## Scorers

How the outputs under all masks become a map. Any other `GenerateClassifierConfidenceSaliency` plug-in of xaitk-saliency
that is installed is found by its name too.

`output` of a method says what is compared; `SARFA`, `TotalVariation` and `KL` compare probabilities and nothing else.
To change it, or the scorer, scores the stored responses again: the network does not run.

With `signed: true`, the maps of `OcclusionScoring`, `RISE` and `LIME` keep their sign. Where a map is positive, what
was hidden raises the chosen action's chance (of Q-networks, its advantage), or the value. Videos show this in
`video.raises` and the opposite in `video.lowers`. Where actor and critic are in one frame, they show how strong it is,
not its sign."""


GRADIENTS = """\
## Gradients

Maps from derivatives of the network's outputs, without masks: `methods: {ig: {gradient: integrated_gradients}}`. Most
take milliseconds a frame. A map has the observation's pixels. At each, it is the sum of absolute values over the
pictures of a stack. Pictures that a young stack does not have yet get no map. Of recurrent networks, the memory is as
recorded. Networks of your own work too, if they are of torch's differentiable operations.

With `signed: true`, the maps of `gradient_x_input` and `integrated_gradients` are sums with their signs. Positive is
what raises the chosen action's advantage, or the value, by being there.

A gradient says what the network would make of a change too small to see. A perturbation says what it makes of a picture
without the thing. So take gradients beside `erase`, not in its place."""


MEASURES = """\
## Measures

How far to believe a clip's maps, in numbers: `measures: [objects, {faithfulness: {frames: 128}}]` of a clip. Each has
its arguments, or none; the list of an overlay replaces the one before it. What a measure takes of the agent alone is
computed once for all methods. Intervals are of blocks of 30 decisions, drawn at random; fewer than five blocks have
none. Its results are

- on the clip's page: curves in step with the videos, and a table for each measure, which marks where a method differs
  from the clip's first one by more than chance;
- beside the page: `measures.csv` (each number with its 95 % interval), `measures-by-frame.csv` (the curves), and a
  picture of each measure, `MEASURE.png`; all of them are in the report, too;
- in `results/measures/CLIP/…`: the stores behind them, with every frame's numbers."""


BLOCK_SIZE = """\
## Choosing `block_size`

One `perturb` job works on one block. Choose blocks that compute for longer than a job takes to start
([measured](../benchmarks/README.md)): 240 frames for windows, 60 for wide radial masks, 16 for a thousand masks of
RISE. Smaller blocks spread over more cores, and less is lost when a job fails. A block is always whole, so larger ones
also compute frames around a clip that it does not show. Results are bit-identical for any `block_size`, but after a
change all blocks are computed anew."""
