"""Lists of our own: what to buy, pack, do and cook, in several layouts, several to a text."""

import random
from collections.abc import Callable, Iterator, Sequence

#: What a list is of, and what may be on it.
POOLS = {
    "Shopping": "milk, eggs, brown bread, butter, apples, rice, washing powder, onions, coffee, paper towels, salt",
    "Groceries for the weekend": "potatoes, carrots, olive oil, chicken, yoghurt, lemons, pasta, tomatoes, garlic",
    "Packing for the beach": "towels, sun cream, swimsuit, sandals, water bottle, straw hat, beach ball, sunglasses",
    "Packing for a hike": "boots, map, compass, rain jacket, first-aid kit, torch, nuts and raisins, spare socks",
    "Hand luggage": "passport, tickets, phone charger, headphones, chewing gum, pen, toothbrush, jumper",
    "Camping gear": "tent, sleeping bag, stove, matches, pots, rope, lantern, folding chairs, axe, insect spray, pegs",
    "Ingredients for pancakes": "flour, milk, two eggs, pinch of salt, sugar, melted butter, oil for the pan",
    "Ingredients for vegetable soup": "leeks, celery, carrots, potatoes, stock, parsley, pepper, bay leaf, cream",
    "Ingredients for bread": "strong flour, yeast, warm water, salt, honey, sunflower seeds, olive oil, oats",
    "Fruit salad": "bananas, grapes, kiwis, oranges, strawberries, lemon juice, mint leaves, blueberries, melon, pears",
    "Tools": "hammer, screwdriver, pliers, saw, spanner, tape measure, spirit level, drill, sandpaper, chisel, clamps",
    "Garden jobs": "mow the lawn, prune the roses, rake the leaves, plant bulbs, water the beans, mend the fence",
    "House jobs": "clean the windows, fix the tap, paint the shelf, change the bulbs, sort the post, hoover the stairs",
    "Monday": "call the bank, send the invoice, meet Ruth at noon, book the dentist, print the report, gym",
    "School bag": "pencil case, maths book, atlas, lunch box, ruler, sports shoes, library card, calculator, notebook",
    "Party": "invite the neighbours, bake a cake, hang balloons, borrow chairs, make a playlist, buy candles",
    "Birthday presents": "puzzle for Ana, scarf for Grandma, chess set for Leo, teapot for Mia, kite for Sam",
    "Books to read": "a history of maps, the sea voyage, short stories, garden birds, a life of Bach, modern physics",
    "Museum visit": "Roman coins, medieval armour, Dutch painters, the clock room, fossils, cafe, Egyptian hall",
    "First-aid box": "plasters, bandages, scissors, tweezers, gloves, antiseptic, safety pins, cold pack, thermometer",
    "Band": "drums, bass guitar, two microphones, amplifier, spare strings, cables, keyboard stand, set list",
    "Orchestra": "violins, violas, cellos, flutes, oboes, clarinets, horns, trumpets, timpani, harp, double basses",
    "Trees in the park": "oak, beech, lime, silver birch, plane, chestnut, maple, willow, rowan, Scots pine, hornbeam",
    "Birds seen": "robin, blackbird, wren, great tit, magpie, heron, two swans, kestrel, woodpecker, jay",
    "Cities on the route": "Hamburg, Bremen, Utrecht, Ghent, Lille, Rouen, Tours, Bordeaux, Bilbao, Burgos, Salamanca",
    "Office supplies": "envelopes, staples, printer ink, folders, sticky notes, markers, paper clips, stamps, glue",
    "Baby bag": "nappies, wipes, bottle, spare vest, dummy, bib, blanket, cream, soft rabbit, sun hat, muslin cloths",
    "Dog": "lead, food bowl, brush, tennis ball, blanket, treats, vet's number, poo bags, basket, collar with name",
    "Bicycle repair": "pump, tyre levers, patches, chain oil, Allen keys, spare tube, rag, brake pads, gloves, bell",
    "Menu": "pea soup, grilled trout, lamb stew, mushroom risotto, green salad, cheese board, plum tart, lemon sorbet",
}
TIMED = (
    "get up, shower, breakfast, bus to town, team meeting, emails, lunch with Ida, dentist, pick up the children, "
    "swimming, dinner, homework, phone call, news, walk with the dog, choir, read, bed, doors open, welcome, first "
    "talk, coffee break, workshop, group photo, discussion, guided tour, concert, train home, check in, boat trip, "
    "museum"
).split(", ")
AMOUNTS = ("2 x", "3 x", "1 kg", "500 g", "a box of", "one pack:", "4 x", "250 g", "half a dozen:", "1 bag:")
#: How the item at a place, counted from 1, is written.
LAYOUTS: tuple[Callable[[int, str], str], ...] = (
    lambda place, item: f"- {item}",
    lambda place, item: f"* {item}",
    lambda place, item: f"{place}. {item}",
    lambda place, item: f"{place}) {item}",
    lambda place, item: f"[ ] {item}",
    lambda place, item: f"[x] {item}" if place % 3 else f"[ ] {item}",
    lambda place, item: f"{'abcdefghijklm'[place - 1]}) {item}",
    lambda place, item: f"\N{BULLET} {item}",
)


def laid_out(title: str, items: Sequence[str], dealer: random.Random) -> str:
    """A title and its items, a line each."""
    layout = dealer.choice(LAYOUTS)
    heading = dealer.choice(("{}:", "{}", "# {}", "{} ({} items)", "TO DO - {}")).format(title, len(items))
    return "\n".join([heading, *(layout(place, item) for place, item in enumerate(items, 1))])


def plain(dealer: random.Random) -> str:
    """Some of a pool, now and then with amounts."""
    title = dealer.choice(list(POOLS))
    pool = POOLS[title].split(", ")
    items = dealer.sample(pool, dealer.randint(4, min(7, len(pool))))
    counted = title.startswith(("Shopping", "Groceries", "Office")) and dealer.random() < 0.5
    return laid_out(title, [f"{dealer.choice(AMOUNTS)} {item}" for item in items] if counted else items, dealer)


def schedule(dealer: random.Random) -> str:
    """What happens when."""
    day, count = dealer.choice(("Tuesday", "Friday", "Day 1", "Day 2", "Programme", "Saturday")), dealer.randint(4, 7)
    hours = sorted(dealer.sample(range(6, 23), count))
    lines = [
        f"{hour:02}:{dealer.choice(('00', '15', '30', '45'))} {what}"
        for hour, what in zip(hours, dealer.sample(TIMED, count), strict=True)
    ]
    return "\n".join([f"{day}:", *lines])


def lists(dealer: random.Random, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Texts of several lists, each text a cluster of its own."""
    while True:
        name = f"{dealer.getrandbits(48):012x}"
        own = random.Random(name)
        if wanted(name):
            kinds = own.choices((plain, schedule), (4, 1), k=7)
            yield name, "\n\n".join(kind(own) for kind in kinds)
