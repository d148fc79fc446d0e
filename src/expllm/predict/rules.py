"""Rules over the action units: no language model, and no look at the picture."""

import hashlib
from collections.abc import Generator, Sequence
from types import MappingProxyType

from expllm.core.licences import licences_of
from expllm.core.vocabulary import AUVector, Expression, label_set
from expllm.cot.rule_writer import write_cot
from expllm.faces.au_classifier import AUClassifier, classifier_for, typical_faces
from expllm.model.shipped import OFFLINE
from expllm.predict.base import FaceAnswer, FaceInput, ModelIdentity, rounded


class RuleExplainer:
    """The classifier on action units, and the rules that explain its label.

    Args:
        labels: Tell 7 or 8 expressions apart.

    Raises:
        VocabularyError: it is another number.
    """

    writer = OFFLINE
    licences = MappingProxyType(licences_of(("rules",)))
    needs_image = False
    needs_face_box = False
    gives_probabilities = True
    spent = 0.0
    batch_size = 1

    def __init__(self, labels: int = 8) -> None:
        self._labels = labels
        self.identity = AUClassifier.from_asset(labels).identity
        digest = hashlib.sha256(self.identity.encode()).hexdigest()
        self.model = ModelIdentity(OFFLINE, digest, "float64", True, label_set(labels))

    def explain(self, faces: Sequence[FaceInput], *, write: bool = True) -> list[FaceAnswer]:
        """See `FaceExplainer`; nothing is said where too little was measured."""
        return [self.of(face.aus, write=write, hidden=face.hidden) for face in faces]

    def of(self, aus: AUVector | None, *, write: bool = True, hidden: bool = False) -> FaceAnswer:
        """The same for one face.

        Args:
            hidden: What was not measured could not be seen.
        """
        probabilities = None if aus is None else self._probabilities(aus, hidden)
        if aus is None or probabilities is None:
            return FaceAnswer()
        expression = max(probabilities, key=probabilities.__getitem__)
        cot = write_cot(aus, expression, probabilities) if write else None
        classifier = self._classifier(aus).identity
        return FaceAnswer(expression, rounded(probabilities), cot, label=expression, classifier=classifier)

    def _probabilities(self, aus: AUVector, hidden: bool) -> dict[Expression, float] | None:
        if hidden:
            return self._classifier(aus).open_probabilities(aus, typical_faces())
        return self._classifier(aus).probabilities(aus)

    def _classifier(self, aus: AUVector) -> AUClassifier:
        return classifier_for(aus, self._labels)

    def stream(self, face: FaceInput) -> Generator[str, None, FaceAnswer]:
        """See `FaceExplainer`; the text is there at once."""
        said = self.of(face.aus, hidden=face.hidden)
        if said.cot is not None:
            yield said.cot.text
        return said

    def preload(self) -> None:
        """Nothing is to be fetched."""

    def close(self) -> None:
        """Nothing is held."""
