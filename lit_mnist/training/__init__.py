"""Training: losses, optimisers and schedules by Keras' rule, the LightningModule, callbacks."""
