"""The clinic of the teaching kit: each patient is ill as said, is found out, and is well after the cure."""

import contextlib
import io

import pytest

import clinic
from unet_tutorial.diagnosis import diagnose

PATIENTS = clinic.patients()


def run(notebook):
    """Run the cells in order, and return what they define, what was raised, and whether the last cell was reached."""
    space, raised = {"__name__": "__main__"}, None
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(cell.source, space)
        except (RuntimeError, ValueError) as error:
            raised = error
            break
    return space, raised


def test_the_healthy_one_is_healthy():
    space, raised = run(clinic.notebook())
    assert raised is None and space["score"] > 0.9
    assert list(diagnose(space["model"], space["images"], space["masks"])) == []


def test_there_are_eight_and_each_differs_from_the_healthy_one_in_one_cell():
    assert len(PATIENTS) == 8
    healthy = [cell.source for cell in clinic.notebook().cells if cell.cell_type == "code"]
    for patient in PATIENTS:
        ill = [cell.source for cell in clinic.notebook(patient).cells if cell.cell_type == "code"]
        assert sum(one != other for one, other in zip(healthy, ill, strict=True)) == 1, patient["title"]


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient["title"])
def test_a_patient_is_ill_as_said_and_is_found_out(patient):
    space, raised = run(clinic.notebook(patient))
    assert eval(patient["shows"], space), patient["shows"]
    assert (raised is not None) == ("message" in patient), raised
    if raised is not None:
        assert patient["message"] in str(raised)
    found = {finding.check for finding in diagnose(space["model"], space["images"], space["masks"])}
    assert patient["check"] in found, found


@pytest.mark.parametrize("patient", PATIENTS, ids=lambda patient: patient["title"])
def test_the_cure_makes_it_the_healthy_one_and_nothing_gives_the_illness_away(patient):
    notebook = clinic.notebook(patient)
    code = "\n".join(cell.source for cell in notebook.cells)
    assert code.count(patient["replace"]) == 1
    cured = code.replace(patient["replace"], patient["find"])
    healthy = clinic.notebook(patient | {"replace": patient["find"]})
    assert cured == "\n".join(cell.source for cell in healthy.cells)
    assert patient["illness"] not in code and patient["cure"] not in code
    assert patient["illness"] in clinic.key() and patient["first"] in clinic.key()


def test_a_change_that_has_no_place_is_refused():
    with pytest.raises(ValueError, match="stands 0 times in clinic.md"):
        clinic.notebook(PATIENTS[0] | {"find": "nothing like it"})
