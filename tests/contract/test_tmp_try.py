from tests.contract.test_site_capture import *
from tests.contract.test_site_capture import family
def test_x(family):
    if "projector" not in family.sites: print("XX", family.config.name, "none", list(family.sites)); return
    table = table_of(family, records(family.config), MODALITY)
    (gate, site) = (dense(of_site(table, name), ("num_tokens",)) for name in (LM_GATE, "projector"))
    print("XX", family.config.name, [(m, site[1][0, gate[0].index(m), 0, 0], gate[1][0, gate[0].index(m), 0, 0]) for m in family.sites["projector"].media])
