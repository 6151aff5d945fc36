"""The four functions as the host indexes them, and what loading them costs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from simulator.host.hosting import HostSpec
from simulator.host.process import HostProcess

ROOT = Path(__file__).parents[3]
REQUIRED = {
    "PATH": os.environ["PATH"],
    "CLUSTER_SCOPES": "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590",
    "MODE": "observe",
}
KEY = "bm90IGEgc2VjcmV0"
FORMS = {
    "connection string": {"AzureWebJobsStorage": f"DefaultEndpointsProtocol=https;AccountName=a1b;AccountKey={KEY}"},
    "account name": {"AzureWebJobsStorage__accountName": "a1b"},
    "service URIs": {
        "AzureWebJobsStorage__blobServiceUri": "https://a1b.blob.core.windows.net",
        "AzureWebJobsStorage__queueServiceUri": "https://a1b.queue.core.windows.net",
        "AzureWebJobsStorage__tableServiceUri": "https://a1b.table.core.windows.net",
        "AzureWebJobsStorage__credential": "managedidentity",
        "AzureWebJobsStorage__clientId": "6e9a1f0c-0000-4000-8000-000000000000",
    },
}


@pytest.mark.parametrize("form", FORMS)
def test_all_functions_load_with_only_the_required_settings(tmp_path: Path, form: str) -> None:
    host = HostProcess(HostSpec(ROOT, REQUIRED | FORMS[form], tmp_path))
    host.start()
    host.kill()
    assert host.errors == {}
    storage = {"connection": "AzureWebJobsStorage"}
    bindings = {name: [trimmed(binding) for binding in found] for name, found in host.functions.items()}
    assert bindings == {
        "on_key_event": [
            {"direction": "OUT", "type": "queue", "name": "visits", "queueName": "cluster-visits", **storage},
            {"direction": "IN", "type": "eventGridTrigger", "name": "event"},
        ],
        "on_visit": [
            {"direction": "IN", "type": "queueTrigger", "name": "message", "queueName": "cluster-visits", **storage}
        ],
        "on_reconcile": [
            {
                "direction": "IN",
                "type": "timerTrigger",
                "name": "timer",
                "schedule": "0 */10 * * * *",
                "runOnStartup": False,
            }
        ],
        "on_lost_visit": [
            {
                "direction": "IN",
                "type": "queueTrigger",
                "name": "message",
                "queueName": "cluster-visits-poison",
                **storage,
            }
        ],
    }


def trimmed(binding: dict[str, object]) -> dict[str, object]:
    """A binding without what the library adds of its own."""
    return {
        name: value for name, value in binding.items() if name not in {"properties", "useMonitor"} and value is not None
    }


@pytest.mark.parametrize("topic", ["", "https://outcomes.westeurope-1.eventgrid.azure.net/api/events"])
def test_an_app_imports_event_grid_only_with_a_topic(topic: str) -> None:
    program = """
import sys
from cmk_rotation import bootstrap
bootstrap.function_world()
print("azure.eventgrid" in sys.modules)
"""
    env = {
        **{name: value for name, value in os.environ.items() if name in {"PATH", "SYSTEMROOT"}},
        "CLUSTER_SCOPES": "/subscriptions/0b1f6471-1bf0-4dda-aec3-cb9272f09590",
        "MODE": "observe",
        "AzureWebJobsStorage__accountName": "cmkrotation",
        "OUTCOME_TOPIC_ENDPOINT": topic,
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, encoding="utf-8", check=True
    )
    assert done.stdout.strip() == str(bool(topic))


def test_an_event_is_taken_without_any_azure_package_but_azure_functions() -> None:
    """Event Grid waits 30 seconds for an answer, cold start included."""
    program = """
import json, sys
import function_app
before = {name for name in sys.modules if name.startswith("azure.")}
from cmk_rotation.entrypoints import functions
event = {"id": "1", "eventType": "Microsoft.KeyVault.KeyNewVersionCreated",
         "data": {"Id": "https://contoso.vault.azure.net/keys/la-cmk/0123456789abcdef0123456789abcdef"}}
message = functions.key_event(json.dumps(event))
loaded = {name.split(".")[1] for name in sys.modules if name.startswith("azure.")}
print(json.dumps([json.loads(message)["key"], sorted(loaded), "cmk_rotation.bootstrap" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    key, loaded, wired = json.loads(done.stdout)
    assert key == {"vault": "contoso.vault.azure.net", "name": "la-cmk"}
    assert loaded == ["functions"]
    assert not wired
