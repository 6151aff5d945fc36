"""The product with one thing wrong, many times over: each is to be caught, and by what it does wrong.

The text before must be there once, so that a mutant cannot outlive the code that it is made of.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
MODEL, HOSTILE = "model", "hostile"


@dataclass(frozen=True)
class Mutant:
    """One thing wrong."""

    name: str
    file: str
    before: str
    after: str
    breaks: str
    """What does not hold then, as `invariants.py` and `scene.py` say it."""
    by: str = MODEL
    """The model, strangers, or the case of `orders.py` that reveals it."""


MUTANTS = (
    Mutant(
        "the update is not claimed",
        "controller/update.py",
        'return world.records.save_rotation(claim, Step("claimed again" if known.lapsed else "claimed", now, claim))',
        "return claim",
        "an update is sent that was not claimed before",
        "two visits",
    ),
    Mutant(
        "the cluster and its key are not looked at again after the claim",
        "controller/update.py",
        "if not _is_called_for_still(world, observation, target):",
        "if False:",
        "the cluster was not looked at between the claim and the update",
        "a visit beside a hold",
    ),
    Mutant(
        "a revocation between the claim and the update is not heeded",
        "controller/update.py",
        "return same and isinstance(decision, Decision) and decision.target == target",
        "return same",
        "an update is sent around a version in use that is disabled",
        "a visit beside a revocation",
    ),
    Mutant(
        "a hold between the claim and the update is not heeded",
        "controller/update.py",
        "return same and isinstance(decision, Decision) and decision.target == target",
        "return same",
        "an update is sent to a cluster on hold",
        "a visit beside a hold",
    ),
    Mutant(
        "no visit is requested before the update is sent",
        "controller/update.py",
        "    world.requests.request(follow, CLAIM_LASTS)\n",
        "",
        "an update is sent before the visit is requested that follows it",
        "two visits",
    ),
    Mutant(
        "a late claim is renewed, and the table not asked",
        "controller/update.py",
        "claim = world.records.save_rotation(claim_renewed(claim, world.now()))",
        "claim = claim_renewed(claim, world.now())",
        "an update is sent whose claim another process has taken over",
        "two visits, of which a call takes minutes",
    ),
    Mutant(
        "an update is sent however late",
        "controller/update.py",
        "    if _is_late(world, claim):\n        return to_be_seen",
        "    if False:\n        return to_be_seen",
        "an update is sent whose claim another process has taken over",
        "two visits, of which a call takes minutes",
    ),
    Mutant(
        "what came of an update is not put on record",
        "controller/update.py",
        '    _note(world, noted, Step("accepted", now, noted))\n',
        "",
        "an operation is lost",
        "two visits",
    ),
    Mutant(
        "a claim is not waited for",
        "decisions/observation.py",
        "(now, claimed_until and claimed_until + CLOCKS_DIFFER, rests_until)",
        "(now, rests_until)",
        "an update is sent whose claim another process has taken over",
        "two visits",
    ),
    Mutant(
        "an attempt keeps the id of the one before",
        "domain/rotation.py",
        "            id=attempt_id,\n",
        "            id=before.id or attempt_id,\n",
        "an attempt is sent twice",
    ),
    Mutant(
        "whatever version was made last is the target",
        "decisions/observation.py",
        "usable = (version for version in versions if version.usable(self.now))",
        "usable = iter(versions)",
        "an update is sent to a version that cannot be used",
    ),
    Mutant(
        "a disabled version is no revocation",
        "decisions/key_rules.py",
        "if version is None or version.enabled:",
        "if version is None or True:",
        "an update is sent around a version in use that is disabled",
    ),
    Mutant(
        "an expired version is none",
        "decisions/key_rules.py",
        "if version is None or not version.expired(observation.now):",
        "if version is None or True:",
        "an update is sent around a version in use that has expired",
    ),
    Mutant(
        "a version in use that nobody knows is no hindrance",
        "decisions/key_rules.py",
        'return _unlisted(observation, observation.cluster.key_version, "which the cluster uses")',
        "return None",
        "an update is sent around a version in use that is not known",
    ),
    Mutant(
        "back is as good as forward",
        "decisions/key_rules.py",
        "if in_use is None or target is None or observation.is_forward:",
        "if True:",
        "an update goes back",
        "two visits where only an older version can be used",
    ),
    Mutant(
        "of two versions of one second, any will do",
        "decisions/key_rules.py",
        "if len(newest) == 1 or any(one.is_current for one in newest):",
        "if True:",
        "an update goes to a version that is not the newest",
    ),
    Mutant(
        "a vault of another cloud is as good",
        "controller/observe.py",
        "return user.key is not None and user.key.vault.endswith(world.vault_suffixes)",
        "return True",
        "an update is sent to a cluster whose vault is none of this cloud's",
    ),
    Mutant(
        "the tag is not heeded",
        "decisions/cluster_rules.py",
        "    if not observation.cluster.held:\n        return None\n    message",
        "    if True:\n        return None\n    message",
        "an update is sent to a cluster on hold",
    ),
    Mutant(
        "a cluster that was moved back is moved again",
        "decisions/cluster_rules.py",
        "    if known is None or known.stage is not Stage.SUCCEEDED:\n        return None\n    when",
        "    if True:\n        return None\n    when",
        "a version is applied that had been applied before",
        "two visits to a cluster that was moved back",
    ),
    Mutant(
        "a busy cluster is not waited for",
        "decisions/cluster_rules.py",
        '    if not observation.cluster.busy:\n        return None\n    return _wait_for_cluster(observation, f"{_heading',
        '    if True:\n        return None\n    return _wait_for_cluster(observation, f"{_heading',
        "an update is sent to a cluster that is busy",
    ),
    Mutant(
        "observing is enforcing",
        "controller/visit.py",
        "if decision.action is Action.UPDATE and world.mode is Mode.ENFORCE else None",
        "if decision.action is Action.UPDATE else None",
        "an update is sent in observe",
    ),
    Mutant(
        "scopes are not heeded",
        "controller/visit.py",
        "if cluster_id is None or not any(scope.contains(cluster_id) for scope in world.scopes):",
        "if cluster_id is None:",
        "an update is sent to a cluster out of scope",
        "two visits to a cluster out of scope",
    ),
    Mutant(
        "what an operation says is not read back",
        "decisions/update_rules.py",
        "if rotation and operation and operation.succeeded and _arrived(observation, rotation):",
        "if rotation and operation and operation.succeeded:",
        "a success was not read back",
    ),
    Mutant(
        "one read without the operation's word is enough",
        "decisions/update_rules.py",
        "if rests >= SECOND_READ_AFTER:",
        "if True:",
        "a success without its operation's word was seen only once",
        "two visits to an update without an operation",
    ),
    Mutant(
        "a cluster that contradicts its operation is waited for without end",
        "decisions/update_rules.py",
        "if observation.now - first >= CONTRADICTION_LASTS:",
        "if False:",
        "a rotation does not end",
    ),
    Mutant(
        "a claim never lapses",
        "decisions/update_rules.py",
        "    return Finish(claim_lapsed(rotation)) if rotation else None",
        "    return None",
        "a rotation does not end",
    ),
    Mutant(
        "a signed URL stays in an ended row",
        "domain/rotation.py",
        "        operation_url=None,\n        operation_error=error",
        "        operation_error=error",
        "an ended row holds a signed URL",
    ),
    Mutant(
        "a failed update is never tried again",
        "decisions/cluster_rules.py",
        "if again <= observation.now or _operator_wants_it(observation, known):",
        "if _operator_wants_it(observation, known):",
        "is left behind",
    ),
    Mutant(
        "a successor is requested always: every visit is the one that was waited for",
        "controller/requeue.py",
        "return visit if visit_may_come(stored, now, world.timing.longest_wait) and not is_this_one else None",
        "return None",
        "wait at a time when at most one should",
        "two visits to an update that takes hours",
    ),
    Mutant(
        "a visit that was lost is waited for without end",
        "controller/requeue.py",
        "return due is not None and now < due + VISIT_COMES_WITHIN",
        "return due is not None",
        "a rotation does not end",
    ),
    Mutant(
        "nobody is called",
        "controller/alerts.py",
        "if attention_due(status, observation, call):",
        "if False:",
        "nothing is said of",
    ),
    Mutant(
        "what a dead process did not say is never said",
        "controller/finish.py",
        "return rotation.stage not in OPEN and not heard and not quiet",
        "return False",
        "nobody hears that a rotation ended",
        "two visits as an update has ended",
    ),
    Mutant(
        "reconcile requests nothing",
        "controller/reconcile.py",
        "return (seen.cluster_id,) if wanted else ()",
        "return ()",
        "is left behind",
    ),
    Mutant(
        "what is taken out of scope is left open",
        "controller/reconcile.py",
        "    _let_go(world, records, tally)\n",
        "",
        "a rotation does not end",
    ),
    Mutant(
        "a word in a row that nobody knows is not foreseen",
        "adapters/columns.py",
        "return words(value) if isinstance(value, str) and value in set(words) else None",
        "return words(value) if isinstance(value, str) else None",
        "the product fails",
        HOSTILE,
    ),
    Mutant(
        "a message that is no JSON is not foreseen",
        "domain/visit_message.py",
        "except (ValueError, RecursionError):",
        "except RecursionError:",
        "a message comes again",
        HOSTILE,
    ),
    Mutant(
        "a value that an SDK cannot read is not foreseen",
        "adapters/errors.py",
        "    ValueError,\n    TypeError,",
        "    TypeError,",
        "DeserializationError",
        HOSTILE,
    ),
)


def sown(mutant: Mutant, folder: Path) -> Path:
    """A copy of the product with that wrong, and of what catches it."""
    parts = ["cmk_rotation", "tests/prove", "tests/unit/support", "tests/__init__.py", "tests/unit/__init__.py"]
    if mutant.by == HOSTILE:
        parts += ["simulator", "tests/e2e", "tests/patience.py", "function_app.py", "host.json"]
    for part in parts:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(ROOT / part, folder / part)
    file = folder / "cmk_rotation" / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.before) != 1:
        raise ValueError(f"{mutant.name}: {mutant.file} has its text {text.count(mutant.before)} times")
    file.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    return folder


def caught(mutant: Mutant, folder: Path) -> str:
    """What is found in the product with that wrong; it should have what the mutant breaks in it."""
    command = [sys.executable, "-m", "tests.prove", "find", mutant.by, mutant.breaks]
    environment = os.environ | {"PYTHONPATH": "", "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        command, cwd=sown(mutant, folder), env=environment, capture_output=True, encoding="utf-8", check=False
    )
    return done.stdout + done.stderr
