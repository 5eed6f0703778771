# Results without a record: they were copied, or another checkout made them in the same bucket. Snakemake takes such
# results for up to date, whatever the config says. But each result holds its own lineage (searchlight.store.records).
# These functions give Snakemake that lineage in place of its record. So it plans such results like all others.
from concurrent.futures import ThreadPoolExecutor

from snakemake.exceptions import WorkflowError
from snakemake.persistence import NO_PARAMS_CHANGE, ParamsChange

from searchlight.errors import one_line
from searchlight.store.records import lineage_in_bucket, read_lineage

# boto keeps that many connections.
READERS = 10
# Seconds by which a result in a bucket may be younger than its record says, because it is uploaded later.
UPLOAD = 60


def missing(file):
    """Return whether a result is known not to be there, without looking again."""
    known = workflow.iocache.exists_in_storage if file.is_storage else workflow.iocache.exists_local
    return workflow.iocache.active and file in known and not known[file]


def lineage_in(file):
    """Return the lineage in a result, '' where it has none, or None where there is no such result."""
    there = file.storage_object if file.is_storage else None
    try:
        if there is None:
            return read_lineage(file) or ""
        if hasattr(there, "s3obj"):
            return lineage_in_bucket(there.provider.s3c.meta.client, there.bucket, there.key) or ""
        path = there.local_path()
        path.parent.mkdir(parents=True, exist_ok=True)
        there.retrieve_object()
        try:
            return read_lineage(path) or ""
        finally:
            path.unlink()
    except FileNotFoundError:
        return None
    except Exception as error:  # whatever a storage's own library raises
        raise WorkflowError(f"{file}: cannot be read: {one_line(error)}") from error


def recorded_here(file, record):
    """Return whether a record is of the present result, and not of an earlier one with the same path."""
    if record is None or not workflow.iocache.active or (date := workflow.iocache.mtime.get(file)) is None:
        return record is not None
    return record.endtime is not None and abs(date.local_or_storage() - record.endtime) <= UPLOAD * file.is_storage


def is_ours(job):
    """Return whether a job is of this workflow, and not of one that uses it as a module."""
    return "lineage" in job.params.keys()


def watch_records():
    """Let Snakemake ask results for their lineage where it has no record of them. Call it while Snakemake plans."""
    records = workflow.persistence
    if not workflow.is_main_process or "has_metadata" in vars(records):
        return
    has_metadata, params_changed = records.has_metadata, records.params_changed
    lineages = {}

    def unrecorded(files):
        return [file for file in files if not recorded_here(file, records.metadata(file)) and not missing(file)]

    def said(job):
        """Return the lineages of a job's results that exist without a record; none for another workflow's job."""
        files = unrecorded(job.output) if is_ours(job) else []
        if any(file.is_storage and file not in lineages for file in files):
            # All are read at once, because each read waits for the server.
            others = unrecorded(
                {file for job in filter(is_ours, workflow.dag.jobs) for file in job.output} - lineages.keys()
            )
            with ThreadPoolExecutor(READERS) as pool:
                lineages.update(zip(others, pool.map(lineage_in, others)))
        found = {file: lineages[file] if file in lineages else lineage_in(file) for file in files}
        # A result that has a record but no lineage is left to Snakemake, so that a damaged one is named.
        return {
            file: lineage
            for file, lineage in found.items()
            if lineage or (lineage is not None and records.metadata(file) is None)
        }

    def is_known(job):
        return has_metadata(job) or bool(said(job))

    def changes(job, file=None):
        change, lineage_of = NO_PARAMS_CHANGE, said(job)
        for result in job.output if file is None else [file]:
            if result not in lineage_of:
                change |= params_changed(job, result)
            elif lineage_of[result] != job.params.lineage:
                before = repr(lineage_of[result] or "unknown")
                change |= ParamsChange({before}, {repr(job.params.lineage)}, {result})
        return change

    records.has_metadata, records.params_changed = is_known, changes
