"""One system of the lecture in a file; `dimaging_tf.registry` lists them.

    from dimaging_tf import models
    model = models.VAE(models.VAEConfig(latent_dim=2))

Every system is a class and its settings: `VAE` and `VAEConfig`, which are `vae.VAE` and `vae.Config` of the
file. They load on first use, so that importing this package loads no TensorFlow.
"""

from typing import TYPE_CHECKING

from dimaging_edge.common.lazy import lazy_names

if TYPE_CHECKING:
    from dimaging_tf.models.autoencoder import Autoencoder
    from dimaging_tf.models.autoencoder import Config as AutoencoderConfig
    from dimaging_tf.models.captioning import Captioning
    from dimaging_tf.models.captioning import Config as CaptioningConfig
    from dimaging_tf.models.char_lm import CharLM
    from dimaging_tf.models.char_lm import Config as CharLMConfig
    from dimaging_tf.models.classifier import Classifier
    from dimaging_tf.models.classifier import Config as ClassifierConfig
    from dimaging_tf.models.compressive_autoencoder import CompressiveAutoencoder
    from dimaging_tf.models.compressive_autoencoder import Config as CompressiveAutoencoderConfig
    from dimaging_tf.models.dcgan import DCGAN
    from dimaging_tf.models.dcgan import Config as DCGANConfig
    from dimaging_tf.models.denoiser import Config as DenoiserConfig
    from dimaging_tf.models.denoiser import Denoiser
    from dimaging_tf.models.eeg import EEG
    from dimaging_tf.models.eeg import Config as EEGConfig
    from dimaging_tf.models.frame_selection import Config as FrameSelectionConfig
    from dimaging_tf.models.frame_selection import FrameSelection
    from dimaging_tf.models.fvbn import FVBN
    from dimaging_tf.models.fvbn import Config as FVBNConfig
    from dimaging_tf.models.gan import GAN
    from dimaging_tf.models.gan import Config as GANConfig
    from dimaging_tf.models.illumination import Config as IlluminationConfig
    from dimaging_tf.models.illumination import Illumination
    from dimaging_tf.models.lineage import Config as LineageConfig
    from dimaging_tf.models.lineage import Lineage
    from dimaging_tf.models.pixelcnn import Config as PixelCNNConfig
    from dimaging_tf.models.pixelcnn import PixelCNN
    from dimaging_tf.models.pixelrnn import Config as PixelRNNConfig
    from dimaging_tf.models.pixelrnn import PixelRNN
    from dimaging_tf.models.sequence_labels import Config as SequenceLabelsConfig
    from dimaging_tf.models.sequence_labels import SequenceLabels
    from dimaging_tf.models.sign_detector import Config as SignDetectorConfig
    from dimaging_tf.models.sign_detector import SignDetector
    from dimaging_tf.models.stackgan import Config as StackGANConfig
    from dimaging_tf.models.stackgan import StackGAN
    from dimaging_tf.models.super_resolution import Config as SuperResolutionConfig
    from dimaging_tf.models.super_resolution import SuperResolution
    from dimaging_tf.models.unet import Config as UNetConfig
    from dimaging_tf.models.unet import UNet
    from dimaging_tf.models.unet_codec import Config as UNetCodecConfig
    from dimaging_tf.models.unet_codec import UNetCodec
    from dimaging_tf.models.vae import VAE
    from dimaging_tf.models.vae import Config as VAEConfig
    from dimaging_tf.models.vae_faces import Config as FaceVAEConfig
    from dimaging_tf.models.vae_faces import FaceVAE

__all__ = [
    "DCGAN",
    "EEG",
    "FVBN",
    "GAN",
    "VAE",
    "Autoencoder",
    "AutoencoderConfig",
    "Captioning",
    "CaptioningConfig",
    "CharLM",
    "CharLMConfig",
    "Classifier",
    "ClassifierConfig",
    "CompressiveAutoencoder",
    "CompressiveAutoencoderConfig",
    "DCGANConfig",
    "Denoiser",
    "DenoiserConfig",
    "EEGConfig",
    "FVBNConfig",
    "FaceVAE",
    "FaceVAEConfig",
    "FrameSelection",
    "FrameSelectionConfig",
    "GANConfig",
    "Illumination",
    "IlluminationConfig",
    "Lineage",
    "LineageConfig",
    "PixelCNN",
    "PixelCNNConfig",
    "PixelRNN",
    "PixelRNNConfig",
    "SequenceLabels",
    "SequenceLabelsConfig",
    "SignDetector",
    "SignDetectorConfig",
    "StackGAN",
    "StackGANConfig",
    "SuperResolution",
    "SuperResolutionConfig",
    "UNet",
    "UNetCodec",
    "UNetCodecConfig",
    "UNetConfig",
    "VAEConfig",
]

_FILES = {
    "Autoencoder": "autoencoder",
    "Captioning": "captioning",
    "CharLM": "char_lm",
    "Classifier": "classifier",
    "CompressiveAutoencoder": "compressive_autoencoder",
    "DCGAN": "dcgan",
    "Denoiser": "denoiser",
    "EEG": "eeg",
    "FVBN": "fvbn",
    "FrameSelection": "frame_selection",
    "GAN": "gan",
    "Illumination": "illumination",
    "Lineage": "lineage",
    "PixelCNN": "pixelcnn",
    "PixelRNN": "pixelrnn",
    "SequenceLabels": "sequence_labels",
    "SignDetector": "sign_detector",
    "StackGAN": "stackgan",
    "SuperResolution": "super_resolution",
    "UNet": "unet",
    "UNetCodec": "unet_codec",
    "VAE": "vae",
    "FaceVAE": "vae_faces",
}
__getattr__ = lazy_names(
    __name__, {**_FILES, **{f"{name}Config": f"{file}:Config" for name, file in _FILES.items()}}
)
