"""What strategies see: labels, domains and samples; nothing of modules, graphs or torch.

| in a model                        | here                                             |
|-----------------------------------|--------------------------------------------------|
| `ValueChoice([8, 16])`            | a `Categorical` domain over the values           |
| `ValueChoice.uniform(0.0, 0.5)`   | a `Uniform` domain, of floats                    |
| `ValueChoice.randint(1, 64)`      | an `IntUniform` domain, of whole numbers         |
| `LayerChoice({"conv": …, …})`     | a `Categorical` domain over the candidates' keys |
| `InputChoice(n_candidates=3)`     | a `Categorical` domain over the picks            |
| `Repeat(…, depth=(1, 4))`         | a `Categorical` domain over the depths           |
| a choice inside a candidate       | a domain with a condition on the outer label     |
| `width * 2`                       | nothing: an `Expression` over the label `width`  |
"""

from raynas.search_space.domain import Categorical, Condition, Domain, Value
from raynas.search_space.expression import DomainLeaf, Expression, Leaf
from raynas.search_space.kinds import domain_from_json
from raynas.search_space.numeric import IntUniform, Uniform
from raynas.search_space.sample import Sample
from raynas.search_space.space import SearchSpace

__all__ = [
    "Categorical",
    "Condition",
    "Domain",
    "DomainLeaf",
    "Expression",
    "IntUniform",
    "Leaf",
    "Sample",
    "SearchSpace",
    "Uniform",
    "Value",
    "domain_from_json",
]
