"""`./run faults`: many rounds of senders and one fault each, judged by what the senders were told (docs/faults.md).

    plan      what is sent and where it holds, from a seed
    senders   send it, come again as a good client does, and remember every promise
    ground    one stack, whose store is a file system of its own
    kinds     the faults: how each strikes and how it is undone
    judge     holds what was told against the store
    play      rounds, one after the other, and a row for each kind
"""
