"""Prints as JSON what the tensorboard package finds in the folder of a log: read.py DIR."""

import json
import sys

from tensorboard.backend.event_processing import event_accumulator
from tensorboard.plugins.hparams import plugin_data_pb2

log = event_accumulator.EventAccumulator(sys.argv[1])
log.Reload()
hparams = log.PluginTagToContent("hparams")
settings = plugin_data_pb2.HParamsPluginData.FromString(hparams["_hparams_/session_start_info"]).session_start_info
print(
    json.dumps(
        {
            "scalars": {tag: [[e.step, e.wall_time, e.value] for e in log.Scalars(tag)] for tag in log.Tags()["scalars"]},
            "settings": {name: getattr(value, value.WhichOneof("kind")) for name, value in settings.hparams.items()},
            "ended": "_hparams_/session_end_info" in hparams,
        }
    )
)
