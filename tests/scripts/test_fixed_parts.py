"""The parts that all built-in heads share are what the script makes of the parameter file."""

import numpy as np
from face_fit.fixed import arrays, write_fixed

from sedtalker.face.builtin.cage import FIXED
from sedtalker.face.builtin.identity import read_parameters


def test_the_file_holds_what_the_script_makes():
    made = arrays(read_parameters())
    with np.load(FIXED) as kept:
        assert set(kept.files) == set(made)
        for name in kept.files:
            assert kept[name].dtype == made[name].dtype, name
            if made[name].dtype.kind == "f":  # processors round sums differently
                np.testing.assert_allclose(kept[name], made[name], rtol=0, atol=1e-6, err_msg=name)
            else:
                np.testing.assert_array_equal(kept[name], made[name], err_msg=name)


def test_the_file_is_written_alike(tmp_path):
    write_fixed(tmp_path / "fixed.npz")
    write_fixed(tmp_path / "again.npz")
    assert (tmp_path / "fixed.npz").read_bytes() == (tmp_path / "again.npz").read_bytes()
