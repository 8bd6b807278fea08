"""Leave a random sample of the mutants in a session: ``python .ci/sample_mutants.py SESSION COUNT SEED``."""

import random
import sys

from cosmic_ray.work_db import WorkDB, use_db


def main(path, count, seed):
    """Mark all other mutants as skipped."""
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    with use_db(path, WorkDB.Mode.open) as session:
        jobs = sorted(item.job_id for item in session.pending_work_items)
        kept = set(random.Random(seed).sample(jobs, min(int(count), len(jobs))))
        for job in jobs:
            if job not in kept:
                session.set_result(job, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))
    print(f"{len(kept)} of {len(jobs)} mutants")


if __name__ == "__main__":
    main(*sys.argv[1:])
