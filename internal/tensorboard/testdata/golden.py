"""Writes golden.tfevents with the tensorboard package: the log of golden() in tensorboard_test.go.

pip install tensorboard==2.21.0; python golden.py
"""

import pathlib

from google.protobuf.struct_pb2 import Value
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import metadata, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

START, STEP = 1767225600.25, 1.5
LOSSES = [0.6931471805599453, 0.1, 1e-30, 12345.678]


def hparams(tag, data, at):
    value = summary_pb2.Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)
    return event_pb2.Event(wall_time=at, summary=summary_pb2.Summary(value=[value]))


def events():
    yield event_pb2.Event(wall_time=START, file_version="brain.Event:2")
    info = plugin_data_pb2.SessionStartInfo(start_time_secs=START)
    info.hparams["lr"].CopyFrom(Value(number_value=0.001))  # one: the order of more is not fixed
    yield hparams(metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=info), START)
    for i, loss in enumerate(LOSSES):
        values = [summary_pb2.Summary.Value(tag=tag, simple_value=v) for tag, v in (("loss/train", loss), ("accuracy/val", i / 4))]
        yield event_pb2.Event(wall_time=START + STEP * (i + 1), step=i + 1, summary=summary_pb2.Summary(value=values))
    end = START + STEP * len(LOSSES)
    info = plugin_data_pb2.SessionEndInfo(status="STATUS_SUCCESS", end_time_secs=end)
    yield hparams(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=info), end)


if __name__ == "__main__":
    with open(pathlib.Path(__file__).parent / "golden.tfevents", "wb") as file:
        writer = RecordWriter(file)
        for event in events():
            writer.write(event.SerializeToString(deterministic=True))
