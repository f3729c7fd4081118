"""Dialogues of our own: two named speakers, exchanges of many topics, and replies that go between them."""

import random
from collections.abc import Callable, Iterator

NAMES = (
    "Ada Anna Ben Carla Chen Dora Eli Emma Farid Felix Grace Hana Hugo Ines Ivan Jana Joel Kofi Lena Leo Lucia Marek "
    "Maya Milo Nadia Nils Nora Omar Otto Paula Pia Rafi Rosa Ruth Samir Sara Tariq Tess Theo Vera Yuki Zoe"
).split()
#: What a slot may hold.
SLOTS = {
    "day": "Monday Tuesday Wednesday Thursday Friday Saturday tomorrow tonight".split(),
    "time": "noon, six, half past seven, a quarter to nine, ten o'clock, three, five sharp".split(", "),
    "num": "two three four five six seven ten twelve twenty".split(),
    "food": "lentil soup, fried rice, a lemon cake, pancakes, tomato salad, noodles, an apple pie, fish stew".split(
        ", "
    ),
    "place": "the station, the old bridge, the library, the market, the harbour, my flat, the cinema, the park".split(
        ", "
    ),
    "who": "your sister, the neighbour, Grandpa, my boss, our teacher, the landlord, my cousin, the doctor".split(", "),
    "thing": "the key, my phone, the red umbrella, your bag, the map, the charger, my glasses, the tickets".split(", "),
}
#: Exchanges of one topic each: what one says, and what the other answers, a line a pair.
TOPICS = {
    "meeting": """Shall we meet at {place} on {day}?|Fine with me. Is {time} too early for you?
Can you bring {who} along?|I asked, but there is a party on {day}.
You were late last time, you know.|Only ten minutes, and the bus was full!
Where exactly do I find you?|In front of the door, under the big clock.""",
    "cooking": """What are you cooking? It smells wonderful.|I am trying {food}, but it needs more salt.
How many people are coming?|About {num}, so we need a bigger pot.
Could you chop the onions for me?|Only if you promise not to laugh when I cry.
Did you follow a recipe?|Not really, {who} told me how it is done.""",
    "lost": """Have you seen {thing}?|It was on the kitchen table this morning.
I have looked everywhere, even under the sofa.|Did you check the pocket of your coat?
I think I left it at {place}.|Then call them before they close at {time}.
Why do you always lose things?|I do not lose them. They hide.""",
    "train": """When does the next train leave?|At {time}, from platform {num}.
Is it direct, or do I have to change?|You change once, and you have {num} minutes for it.
One return ticket, please.|That is {num} pounds. Would you like a seat by the window?
Is the train on time?|I am afraid there is a delay because of the snow.""",
    "doctor": """What seems to be the trouble?|My back has hurt for {num} days.
Do you sleep well at night?|No, I wake up at {time} and cannot fall asleep again.
Take these pills after breakfast.|And may I go running, or should I rest?
Come and see me again on {day}.|Thank you. I hope I shall not need to.""",
    "school": """Did you finish the homework?|Nearly. I do not understand question {num}.
Our test is on {day}, is it not?|No, it was moved, because {who} is ill.
May I borrow your notes?|If you can read my handwriting, of course.
What did you write about?|About a summer that I spent near {place}.""",
    "flat": """How much is the rent?|Less than you think, but the heating is extra.
The tap in the bathroom is dripping again.|I shall send somebody on {day}, I promise.
Are the neighbours noisy?|Only on {day}, when the band upstairs practises.
Is there room for a piano?|There is, if you carry it up {num} floors.""",
    "work": """Is the report ready?|It is, apart from the last {num} pages.
Who is going to talk to the customer?|I thought that you would, since you know them best.
Let us move the meeting to {day}.|Good, then I can finish the numbers first.
How was your first week?|Busy! I have learnt {num} new names and forgotten half.""",
    "travel": """Where are you going this summer?|To the mountains, with {who} and a tent.
How long will you stay?|For {num} weeks, unless the weather turns bad.
Have you packed yet?|Everything but {thing}, which I cannot find.
Send me a postcard!|You will get one from {place}, as always.""",
    "shop": """Do you have these shoes in a larger size?|Let me look. Yes, but only in brown.
What does this lamp cost?|Twenty-five, and you get {num} bulbs with it.
I would like to return this jacket.|Do you still have the receipt?
Are you open on {day}?|Until {time}, and we close for lunch.""",
    "music": """How was the concert?|Loud, and far too short. They played {num} songs.
Do you still play the violin?|Only when {who} is not at home.
We need a drummer by {day}.|Ask the girl from {place}, she is very good.
Which song shall we begin with?|The slow one, so that everybody calms down.""",
    "weather": """Look at those clouds over there.|Then we should take {thing} with us.
They say it will snow on {day}.|They have said so for {num} weeks.
It is far too hot to work.|Let us go down to {place} and sit in the shade.
Did the storm do any damage?|It took {num} tiles off the roof.""",
    "garden": """Your roses look lovely this year.|It is the coffee grounds, {who} swears by them.
Something has eaten my lettuce.|Snails! Put a ring of sand around the bed.
When do you plant the beans?|Not before {day}, the nights are still cold.
Can I help you dig?|Take the spade that is leaning by the shed.""",
    "dog": """May I stroke your dog?|Please do, he has never bitten anybody.
What is he called, and how old is he?|Biscuit, and he will be {num} on {day}.
He ran off near {place} yesterday.|And who brought him back?
Does he sleep on your bed?|He does, and I sleep on the edge.""",
    "game": """It is your turn.|Wait, I am still counting my points.
You cannot move the castle like that.|Since when? {num} minutes ago you did the same.
Shall we play another round?|Only if {who} joins us, two is dull.
I have won {num} times in a row!|Because you hide cards, and I can prove it.""",
    "party": """Did you invite {who}?|Yes, but only if nobody mentions last year.
What shall I bring?|Either {food} or some glasses, we have only {num}.
When did you get home?|At {time}, and I walked all the way from {place}.
The music was a bit much.|Half the street came, so nobody complained.""",
    "car": """The engine makes a strange noise.|Like a whistle, or like somebody coughing?
When can I have the car back?|On {day}, if the parts arrive.
Mind the cyclist!|I saw her. Please stop shouting at me.
Where did you park?|Behind {place}, it took me {num} minutes to find a space.""",
    "film": """Have you seen the film about the lighthouse?|Twice. I cried at the end both times.
Who played the captain?|The tall one who looks like {who}.
Shall we take the late showing?|The one at {time}? I have to get up early.
What did you not like about it?|It was {num} hours long and nothing happened.""",
    "letter": """There is a parcel for you.|At last! I ordered it {num} weeks ago.
Who writes letters nowadays?|Well, {who} does, with a fountain pen.
Can you read this word?|It says either river or never.
I must answer before {day}.|Then put the kettle on, and I shall find paper.""",
    "moving": """Which box has the plates in it?|The one that you are sitting on.
Careful with the mirror!|I have it. You hold the door.
How many boxes are left?|Another {num}, and the bed, and {thing}.
Shall we order something to eat?|I could do with {food}, to be honest.""",
}
BETWEEN = (
    "Oh, really?|Really. Ask {who}, if you like.",
    "Are you sure?|Quite sure, I wrote it down.",
    "That is just like you.|I take that as a compliment.",
    "What do you mean?|Nothing, I was only thinking aloud.",
    "Sorry, I did not hear you.|I said that we have time until {time}.",
    "I see.|You do not sound very happy about it.",
    "Let me think about it.|Take your time, but tell me by {day}.",
    "Well, well.|Do not look at me like that!",
)
STYLES = (
    "{}: {}",
    "{}: \N{LEFT DOUBLE QUOTATION MARK}{}\N{RIGHT DOUBLE QUOTATION MARK}",
    "{} - {}",
    "{}: {}",
    "[{}] {}",
)


def filled(line: str, dealer: random.Random) -> str:
    """A line with something in each of its slots, and a capital."""
    text = line.format(**{slot: dealer.choice(values) for slot, values in SLOTS.items()})
    return text[0].upper() + text[1:]


def dialogue(dealer: random.Random) -> str:
    """Exchanges of two topics between two people, with a few that belong to none."""
    names, style = dealer.sample(NAMES, 2), dealer.choice(STYLES)
    pairs: list[str] = []
    for topic in dealer.sample(list(TOPICS), 2):
        of_topic = TOPICS[topic].split("\n")
        pairs += dealer.sample(of_topic, len(of_topic))
    for _ in range(2):
        pairs.insert(dealer.randint(1, 4), dealer.choice(BETWEEN))
    lines = []
    for pair in pairs:
        speakers = dealer.sample(names, 2)
        lines += [
            style.format(name, filled(said, dealer)) for name, said in zip(speakers, pair.split("|"), strict=True)
        ]
    return "\n".join(lines)


def dialogues(dealer: random.Random, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Dialogues, each a cluster of its own."""
    while True:
        name = f"{dealer.getrandbits(48):012x}"
        if wanted(name):
            yield name, dialogue(random.Random(name))
