"""`python -m stepbench`, and `torchrun -m stepbench`."""

from stepbench.cli.main import main

if __name__ == "__main__":
    main()
