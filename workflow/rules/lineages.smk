# What each result is made from, back to the checkpoint: settings and code, in a short text. Jobs have that of their
# result as a parameter, so that they know by themselves that they are out of date (searchlight.fingerprint). Dates
# cannot tell it: after a clock went wrong, or where an older file came back, an edit has the older date.


@cache
def lineage_of_policy(agent):
    return lineage(code("fetch_checkpoint", agent), source_of(agent))


@cache
def lineage_of_episode(agent, seed):
    played = episode_settings(SimpleNamespace(agent=agent, seed=seed))
    # The agent and the seed too: the path of a clip names neither.
    return lineage(code("rollout", agent), lineage_of_policy(agent), played, agent, int(seed))


@cache
def lineage_of_background(agent, seed, window):
    return lineage(code("background", agent), lineage_of_episode(agent, seed), window)


@cache
def lineage_of_responses(agent, seed, perturbation):
    given = perturbation_settings(SimpleNamespace(perturbation=perturbation))
    window = window_of(perturbation)
    behind = lineage_of_background(agent, seed, window) if window is not None else None
    played = lineage_of_episode(agent, seed)
    made = code("perturb", agent, perturbation=perturbation)
    return lineage(made, played, behind, given, settings.block_size, settings.device)


@cache
def lineage_of_saliency(agent, seed, method):
    responses = lineage_of_responses(agent, seed, settings.methods[method].perturbation)
    return lineage(code("score", agent, method=method), responses, scorer_settings(SimpleNamespace(method=method)))


@cache
def lineage_of_clip(clip, method):
    saliency = lineage_of_saliency(settings.clips[clip].agent, settings.clips[clip].seed, method)
    return lineage(
        code("collect", settings.clips[clip].agent), saliency, clip_settings(SimpleNamespace(clip=clip, method=method))
    )


@cache
def lineage_of_gameplay(clip):
    wildcards = SimpleNamespace(clip=clip)
    played = lineage_of_episode(settings.clips[clip].agent, settings.clips[clip].seed)
    return lineage(
        code("render_gameplay", settings.clips[clip].agent),
        played,
        clip_frames(wildcards),
        gameplay_settings(wildcards),
    )


@cache
def lineage_of_videos(clip, method):
    wildcards = SimpleNamespace(clip=clip, method=method)
    return lineage(
        code("render", settings.clips[clip].agent),
        lineage_of_clip(clip, method),
        video_settings(wildcards),
        gain_settings(wildcards),
    )


def policy_lineage(wildcards):
    return lineage_of_policy(wildcards.agent)


def episode_lineage(wildcards):
    return lineage_of_episode(wildcards.agent, wildcards.seed)


def background_lineage(wildcards):
    return lineage_of_background(wildcards.agent, wildcards.seed, background_window(wildcards))


def clip_episode_lineage(wildcards):
    clip = settings.clips[wildcards.clip]
    return lineage(lineage_of_episode(clip.agent, clip.seed), clip_frames(wildcards))


def responses_lineage(wildcards):
    return lineage_of_responses(wildcards.agent, wildcards.seed, wildcards.perturbation)


def saliency_lineage(wildcards):
    return lineage_of_saliency(wildcards.agent, wildcards.seed, wildcards.method)


def clip_lineage(wildcards):
    return lineage_of_clip(wildcards.clip, wildcards.method)


def gameplay_lineage(wildcards):
    return lineage_of_gameplay(wildcards.clip)


def videos_lineage(wildcards):
    return lineage_of_videos(wildcards.clip, wildcards.method)


def page_lineage(wildcards):
    videos = [lineage_of_videos(wildcards.clip, method) for method in settings.clips[wildcards.clip].methods]
    return lineage(
        code("page", settings.clips[wildcards.clip].agent),
        lineage_of_gameplay(wildcards.clip),
        videos,
        page_settings(wildcards),
    )
