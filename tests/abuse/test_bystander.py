"""The measure itself: with nobody in the way the bystander is served."""


def test_a_bystander_uploads_while_nobody_attacks(bystander):
    assert bystander.uploads()
