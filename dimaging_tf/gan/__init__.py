"""What GAN, DCGAN and StackGAN share: the step, losses, optimizers, the monitor of collapse."""
