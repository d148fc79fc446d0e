"""Data sets of faces, in the formats in which they are handed out, as one stream of samples."""

from expllm.data.catalog import DATASET_KINDS, open_dataset
from expllm.data.dataset import Dataset
from expllm.data.image_bytes import image_bytes
from expllm.data.sample import DatasetRow, ImageRef, Sample

__all__ = ["DATASET_KINDS", "Dataset", "DatasetRow", "ImageRef", "Sample", "image_bytes", "open_dataset"]
