"""Scripts: the frames of the programs that train a candidate again."""

EPOCHS = 10
"""How long the built-in evaluators train where nobody says."""

DATA = "DATA = numpy.load(Path(__file__).with_suffix('.npz'))\n"

GUARD = 'if __name__ == "__main__":\n    main()\n'

TRAINING = '''
class Training(Supervised, {package}.LightningModule):
    """The training of the model."""
'''

LIGHTNING = '''
SEED = {seed}
EPOCHS = {epochs}

{training}

class Printed(Epochs, {package}.callbacks.Checkpoint):
    """Prints what came of each epoch."""

    def __init__(self, seed: int, progress: Progress) -> None:
        super().__init__(seed)
        self.progress = progress

    def ended(self, trainer, module, metrics) -> None:
        found = self.progress.add(trainer.current_epoch, {{name: float(value) for name, value in metrics.items()}})
        if trainer.is_global_zero:
            print(json.dumps(found), flush=True)


def main():
    """Train the model, print its metrics after each epoch, save its weights beside this file, and return it."""
    torch.set_num_threads({threads})  # as many as in the search: sums depend on it
{shared}{data}
    seed_all(SEED)
    model = Model()
    seed_all(SEED)
    module = {module}
    printed = Printed(SEED, Progress({monitor}))
    trainer = {package}.Trainer(
        {trainer},
    )
    seed_epoch(SEED, 0, flattened(list(data.values())))
    trainer.fit(module, **data)
    torch.save(model.state_dict(), Path(__file__).with_suffix(".pt"))
    return model
'''

PRINTED = '''
def printed(metrics, step: int) -> bool:
    """Print what is reported, and go on."""
    print(json.dumps({"step": step, **{name: float(value) for name, value in metrics.items()}}), flush=True)
    return False

'''

PLAIN = '''
SEED = {seed}

{printed}
def main():
    """Train the model, print its metrics, save its weights beside this file, and return it."""
    torch.set_num_threads({threads})  # as many as in the search: sums depend on it
{shared}    {before}device = {device}
    seed_all(SEED)
    model = Model().to(device)
    {context}seed_all(SEED)
    metrics = {made}
    metrics = metrics if hasattr(metrics, "items") else {{"value": metrics}}
    print(json.dumps({{name: float(value) for name, value in metrics.items()}}))
    torch.save(model.state_dict(), Path(__file__).with_suffix(".pt"))
    return model
'''
