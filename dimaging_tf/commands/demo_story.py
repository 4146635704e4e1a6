"""The words of the demo's page: what each system does, what to look at, and what each picture shows."""

from typing import NamedTuple


class Section(NamedTuple):
    """What the page says of a system."""

    title: str
    what: str
    """What the system does, in a sentence."""
    look: str
    """What to look at in its pictures."""
    runs: str
    """The command that uses the exported files; "{b}" stands for the folder of the bundles."""


STORY: dict[str, Section] = {
    "codec": Section(
        "A photograph in few bytes",
        "A U-Net compresses: what crosses its bottleneck is rounded and coded into a real file. Its "
        "weights came along.",
        "Compare the detail at the same number of bytes: the JPEG falls into blocks, the .dimg becomes "
        "soft.",
        "dimaging-edge compress photo.png -q 30 -o photo.dimg",
    ),
    "denoiser": Section(
        "Noise taken off",
        "A small U-Net learned from photographs what is left when noise is gone.",
        "Edges of the coat and the tripod stay sharp; the grass, whose texture looks like noise, becomes "
        "smooth. "
        "int8 is hardly to be told from fp32.",
        "dimaging-edge run {b}/denoiser-int8 denoiser --input noisy=photo.png --out restored",
    ),
    "pixelcnn": Section(
        "Digits, pixel by pixel",
        "A PixelCNN says of every pixel how likely it is white, given those before it; so it can "
        "complete and draw.",
        "The first row is one question and seven answers: all fit the half that is known. Half a minute "
        "of training "
        "gives strokes; not every drawn figure is a digit yet.",
        "dimaging-edge complete {b}/pixelcnn-fp32 digit.png --keep upper --n 7 --out completed.png",
    ),
    "dcgan": Section(
        "Digits, drawn to order",
        "A generator learns to draw what a discriminator takes for real, told which digit to draw.",
        "Every column is one digit, 0 to 9. Clearer than the VAE's, and drawn in one pass.",
        "dimaging-edge sample {b}/dcgan-int8 --n 16 --seed 0 --out digits.png",
    ),
    "vae_faces": Section(
        "Glasses, put on and taken off",
        "A VAE gives every face a code. The mean code of faces with glasses minus that of faces without "
        "is a direction.",
        "Third row: glasses on faces that have none. Last row: taken away again. The rest of the face "
        "should stay.",
        "dimaging sample runs/vae_faces --attribute glasses --strength 1.5",
    ),
    "vae": Section(
        "Digits from codes",
        "A VAE draws a code and decodes it. Codes are drawn from a density that was fitted to those of "
        "real digits.",
        "Softer than the DCGAN's digits, because the loss prefers a mean to a wrong guess. In the plane "
        "of codes the "
        "digits lie in groups.",
        "dimaging-edge sample {b}/vae-int8 --n 16 --seed 0 --out digits.png",
    ),
    "frame_selection": Section(
        "Which frames to take",
        "A microscope may take 3 of 16 frames of a cell; the network learns which three tell the most.",
        "A row is a kind of cell, a column a moment. Only the dark frames are taken; the pale ones are "
        "never seen.",
        "dimaging-edge run {b}/frame_selection-fp32 classifier --input frames=movie.npy --out kinds",
    ),
    "captioning": Section(
        "Pictures, put into words",
        "A network that looks and an LSTM that speaks; the search for the best sentence is inside the "
        "ONNX file.",
        "Read each sentence against its picture: shape, colour, size and place can each be wrong.",
        "dimaging-edge caption {b}/captioning-fp32 picture.png --beam 3",
    ),
    "char_lm": Section(
        "A text, character by character",
        "An LSTM that read the reference of Python goes on with a sentence.",
        "Words, brackets and quotation marks are right most of the time; the sense is not.",
        'dimaging-edge write {b}/char_lm-integer --prime "The value of " --n 500 --temperature 0.5 --seed 0',
    ),
    "iguana": Section(
        "A cat that became an iguana",
        "EfficientNet-Lite0 was exported with its gradient, so the deployed file can be attacked where "
        "it runs.",
        "Both photographs look alike. The difference, enlarged on the right, is what the network falls for.",
        "dimaging attack efficientnet_lite0 --image cat.png --target iguana --eps 4/255",
    ),
    "signs": Section(
        "From where a sign is misread",
        "Drawn traffic signs were attacked, and then photographed from four distances and at four angles.",
        "A cell is a place of the camera. An attack on one view hardly survives another view; one that was "
        "made over many views does, nearly everywhere.",
        "python examples/traffic_signs.py",
    ),
}
"""System -> its section, in the order of the page."""
ALTS = {
    "compressed": "A portrait in three columns: the original, decoded from a .dimg file, decoded from a "
    "JPEG of as many "
    "bytes. Above the whole picture, below the face enlarged",
    "denoised": "A man behind a camera on a tripod, four times: clean, with strong noise, restored in "
    "fp32, restored in int8",
    "pixelcnn": "White digits on black: above, one digit whose lower half is hidden and seven "
    "completions; below, 24 drawn ones",
    "dcgan": "Four rows of the digits 0 to 9, drawn by a network",
    "glasses": "Eight drawn faces without glasses, decoded from their codes, and with glasses; eight "
    "faces with glasses, "
    "decoded, and without",
    "samples": "64 handwritten digits drawn by a VAE, slightly blurred",
    "latent": "Points in a plane, coloured by digit; each colour is a cloud, and neighbouring clouds "
    "overlap",
    "frames": "Four rows of sixteen small noisy images of cells; three columns are dark, the others pale",
    "mask": "A row of sixteen squares of which three are black",
    "captions": "Four pictures of a single coloured shape, each with a sentence below it",
    "iguana-compare": "A cat's face twice, alike to the eye, and a field of coloured noise: the "
    "difference, enlarged",
    "views": "Maps of distance and angle: how often an attacked sign is misread in each cell",
}
"""Picture file -> what it shows, for those who do not see it."""
