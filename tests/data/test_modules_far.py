"""A DataModule over tables in an object store, read by spawned processes: no key is shown."""

from __future__ import annotations

import traceback

import pytest

import lancenb as lnb
from lancenb.data import JiTDataModule, LanceDataModule
from lancenb.errors import InvalidArgument
from tests.data.tables import patterns

SECRET = "moto-needs-no-such-secret"


class Unpicklable:
    def __call__(self, picture):
        return picture

    def __reduce__(self):
        raise TypeError("this transform stays here")


def test_spawned_workers_read_from_s3_and_no_secret_is_shown(s3_server, tmp_path):
    store = s3_server.store("tables", secret_key=SECRET)
    dm = lnb.DataManager(store)
    dm.convert(patterns(tmp_path / "p.lance", 12), "pics")
    module = LanceDataModule("pics", manager=dm, batch_size=4, num_workers=1)
    batches = module.train_dataloader()
    assert sum(len(ids) for _, ids in batches) == 12
    jit = JiTDataModule(dm["pics"], img_size=16, num_workers=0)
    jit.setup("fit")
    by_uri = JiTDataModule(store.join("pics.lance"), store=store)
    shown = [module, batches, module.train_dataset, module.train_dataset.table, dm, store]
    shown += [module.state_dict(), jit, jit.train_dataset, by_uri, jit.train_dataloader()]
    assert not [each for each in map(repr, shown) if SECRET in each]
    assert not [each for each in map(str, shown) if SECRET in each]

    own = LanceDataModule(
        module.train_dataset.with_transform(Unpicklable()), batch_size=4, num_workers=1
    )
    with pytest.raises(InvalidArgument, match="cannot import") as refused:
        own.train_dataloader()
    module.train_dataset.note = lambda: None  # found out only when a process is started
    with pytest.raises(Exception, match="pickle") as failed:
        list(module.train_dataloader())
    for error in (refused, failed):
        assert SECRET not in "".join(traceback.format_exception(error.value))
