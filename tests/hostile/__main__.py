from tests.hostile import table

print(table(), end="")
