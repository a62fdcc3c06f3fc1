from tests.pytorch.zoo.case import Zoo

zoo = Zoo()
