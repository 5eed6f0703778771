# What each result is made from, back to the checkpoint: settings and code, in a short text. Jobs have the lineage of what
# they read as a parameter, so that they know by themselves that they are out of date; see searchlight.lineage.


@cache
def lineage_of_policy(agent):
    return lineage(code("fetch_checkpoint"), source_of(agent))


@cache
def lineage_of_episode(agent, seed):
    played = episode_settings(SimpleNamespace(agent=agent, seed=seed))
    return lineage(code("rollout"), lineage_of_policy(agent), played)


@cache
def lineage_of_responses(agent, seed, perturbation):
    given = perturbation_settings(SimpleNamespace(perturbation=perturbation))
    return lineage(code("perturb"), lineage_of_episode(agent, seed), given, settings.block_size, settings.device)


@cache
def lineage_of_saliency(agent, seed, method):
    responses = lineage_of_responses(agent, seed, settings.methods[method].perturbation)
    return lineage(code("score"), responses, scorer_settings(SimpleNamespace(method=method)))


@cache
def lineage_of_clip(clip, method):
    saliency = lineage_of_saliency(settings.clips[clip].agent, settings.clips[clip].seed, method)
    return lineage(code("collect"), saliency, clip_settings(SimpleNamespace(clip=clip, method=method)))


def policy_lineage(wildcards):
    return lineage_of_policy(wildcards.agent)


def episode_lineage(wildcards):
    return lineage_of_episode(wildcards.agent, wildcards.seed)


def responses_lineage(wildcards):
    perturbation = settings.methods[wildcards.method].perturbation
    return lineage_of_responses(wildcards.agent, wildcards.seed, perturbation)


def saliency_of_clip_lineage(wildcards):
    clip = settings.clips[wildcards.clip]
    return lineage_of_saliency(clip.agent, clip.seed, wildcards.method)


def episode_of_clip_lineage(wildcards):
    clip = settings.clips[wildcards.clip]
    return lineage_of_episode(clip.agent, clip.seed)


def clip_lineage(wildcards):
    return lineage_of_clip(wildcards.clip, wildcards.method)


def videos_lineage(wildcards):
    """Return the lineage of all that a page shows."""
    gameplay = lineage(
        code("render_gameplay", "render"),
        episode_of_clip_lineage(wildcards),
        clip_frames(wildcards),
        gameplay_settings(wildcards),
    )
    clips = [lineage_of_clip(wildcards.clip, method) for method in settings.clips[wildcards.clip].methods]
    return lineage(code("render"), gameplay, clips, video_settings(wildcards))
