"""Published figures to stand beside ours: a goal that is held says nothing of how far the best are.

(topic, beginning of a figure's name) -> what was published. An entry says whose figure it is and, where the
conditions differ from ours, how; data sets of ours alone have none.
"""

PUBLISHED = {
    ("pixelcnn", "after 20 minutes"): "81.30, PixelCNN, test split; 79.20, PixelRNN (arXiv 1601.06759)",
    ("pixelcnn", "after 2 minutes"): "81.30, PixelCNN, test split (arXiv 1601.06759)",
    ("pixelcnn_long", "after a long training"): "81.30, PixelCNN, test split; 79.20, PixelRNN (arXiv 1601.06759)",
    ("pixelrnn", "after "): "80.54, Row LSTM; 79.20, Diagonal BiLSTM; test split (arXiv 1601.06759)",
    ("fvbn", "after 20 minutes"): "88.33, NADE; 86.64, MADE with 32 masks; test split (arXiv 1502.03509)",
    ("vae", "importance-weighted bound"): "86.76, another binarisation, 5000 samples, test split (arXiv 1509.00519)",
    ("certificate", "certified at .3, whole numbers"): "91.95, IBP (arXiv 1810.12715)",
    ("certificate", "certified at .3, float32"): "91.95, IBP (arXiv 1810.12715)",
    ("unet", "membrane F1"): "none on these slices",
}  # fmt: skip
"""Keys are the names of results and beginnings of figures; the longest beginning that fits counts."""


def published(topic: str, figure: str) -> str:
    """What was published for a figure of a topic; "" where nothing is known."""
    fitting = [key for key in PUBLISHED if key[0] == topic and figure.startswith(key[1])]
    return PUBLISHED[max(fitting, key=lambda key: len(key[1]))] if fitting else ""
