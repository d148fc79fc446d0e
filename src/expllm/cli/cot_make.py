"""`expllm cot make` and `cot estimate`: the engine's work, and how it ends for the shell."""

from expllm.cli.ending import Ending, of_data, of_run
from expllm.cli.figures import print_json
from expllm.cli.terminal import keep_stderr_to_ourselves
from expllm.core.errors import ExitCode
from expllm.cot.engine_setup import CotMakeOptions
from expllm.cot.make_run import make_cot
from expllm.predict.img2au import FaceReader


def work(options: CotMakeOptions, *, as_json: bool = False) -> tuple[Ending, ...]:
    """Makes or resumes a run; how it ended.

    Args:
        as_json: Print the run's ledger at the end.

    Raises:
        ExpllmError: as `make_cot`.
    """
    keep_stderr_to_ourselves()
    made = make_cot(options, face_reader=FaceReader)
    if as_json:
        print_json(made.ledger.to_dict())
    stopped = Ending(ExitCode.SOME_INPUTS_FAILED, made.stopped) if made.stopped else Ending()
    return stopped, of_data(made.dataset), of_run(made.ledger)
