"""Mathematics of our own, told step by step: short derivations with drawn numbers, several to a text."""

import math
import random
from collections.abc import Callable, Iterator
from fractions import Fraction

Dealer = random.Random
LETTERS = "abckmnpqrstuvwxyz"
OPENINGS = ("", "Example. ", "Problem. ", "Exercise. ", "Claim. ")
SO = ("so", "hence", "therefore", "thus", "which gives", "and so")


def linear(r: Dealer) -> str:
    """One unknown."""
    x, a, b, name = r.randint(2, 12), r.randint(2, 9), r.randint(1, 30), r.choice(LETTERS)
    return (
        f"Solve {a}{name} + {b} = {a * x + b}. Subtract {b} from both sides: {a}{name} = {a * x}. "
        f"Divide by {a}: {name} = {x}."
    )


def quadratic(r: Dealer) -> str:
    """A product of two factors."""
    p, q, x = r.randint(1, 9), r.randint(1, 9), r.choice(LETTERS)
    return (
        f"Factor {x}^2 + {p + q}{x} + {p * q}. Two numbers with sum {p + q} and product {p * q} are {p} and {q}, "
        f"{r.choice(SO)} the expression is ({x} + {p})({x} + {q}), and its zeros are {x} = -{p} and {x} = -{q}."
    )


def derivative(r: Dealer) -> str:
    """Of a polynomial."""
    a, n, b, f = r.randint(2, 9), r.randint(3, 7), r.randint(2, 9), r.choice("fgh")
    return (
        f"Let {f}(x) = {a}x^{n} + {b}x. The power rule gives {f}'(x) = {a * n}x^{n - 1} + {b}, "
        f"{r.choice(SO)} {f}'(1) = {a * n + b}."
    )


def integral(r: Dealer) -> str:
    """Of a power."""
    n, a, top = r.randint(1, 4), r.randint(1, 5), r.randint(1, 4)
    value = Fraction(a * top ** (n + 1), 1)
    return (
        f"The integral of {a * (n + 1)}x^{n} from 0 to {top} is found from the antiderivative {a}x^{n + 1}; "
        f"at {top} it is {value}, at 0 it is 0, {r.choice(SO)} the area is {value}."
    )


def divisor(r: Dealer) -> str:
    """Euclid's algorithm."""
    a, b = r.randint(40, 200), r.randint(12, 39)
    steps, x, y = [], a, b
    while y:
        steps.append(f"{x} = {x // y} * {y} + {x % y}")
        x, y = y, x % y
    return f"Find gcd({a}, {b}) by Euclid's algorithm: {'; '.join(steps)}. The last remainder that is not 0 is {x}."


def series(r: Dealer) -> str:
    """Of equal steps."""
    first, step, n = r.randint(1, 9), r.randint(2, 7), r.randint(5, 20)
    last = first + (n - 1) * step
    return (
        f"The terms {first}, {first + step}, {first + 2 * step}, ... rise by {step}. Term {n} is {first} + {n - 1} * "
        f"{step} = {last}, and the sum of {n} terms is {n}({first} + {last})/2 = {n * (first + last) // 2}."
    )


def triangle(r: Dealer) -> str:
    """Its angles."""
    a, b = r.randint(20, 80), r.randint(20, 80)
    return (
        f"In triangle ABC, angle A = {a} degrees and angle B = {b} degrees. The angles of a triangle add up to 180 "
        f"degrees, {r.choice(SO)} angle C = 180 - {a} - {b} = {180 - a - b} degrees."
    )


def right_triangle(r: Dealer) -> str:
    """Pythagoras."""
    m, n = r.choice([(2, 1), (3, 2), (4, 1), (4, 3), (5, 2)])
    k = r.randint(1, 4)
    a, b, c = k * (m * m - n * n), k * 2 * m * n, k * (m * m + n * n)
    squares = f"{a * a} + {b * b} = {c * c}"
    return f"A right triangle has legs {a} and {b}. By Pythagoras c^2 = {squares}, {r.choice(SO)} c = {c}."


def remainder(r: Dealer) -> str:
    """Of a power."""
    base, m = r.randint(2, 9), r.choice([5, 7, 11, 13])
    n = r.randint(3, 6)
    powers = ", ".join(f"{base}^{i} = {pow(base, i, m)}" for i in range(1, n + 1))
    return f"Modulo {m} the powers of {base} are {powers}. So {base}^{n} leaves the remainder {pow(base, n, m)}."


def factors(r: Dealer) -> str:
    """Primes."""
    number = r.randint(2, 9) * r.randint(2, 9) * r.randint(2, 13)
    rest, found, prime = number, [], 2
    while rest > 1:
        while rest % prime == 0:
            found.append(prime)
            rest //= prime
        prime += 1
    return (
        f"The prime factorization of {number} is {' * '.join(map(str, found))}; {found[-1]} is the largest prime in it."
    )


def chance(r: Dealer) -> str:
    """Balls from an urn."""
    red, blue = r.randint(2, 9), r.randint(2, 9)
    total = red + blue
    both = Fraction(red * (red - 1), total * (total - 1))
    return (
        f"An urn holds {red} red and {blue} blue balls. The first ball is red with probability {red}/{total}, the "
        f"second then with probability {red - 1}/{total - 1}, {r.choice(SO)} P(both red) = {both}."
    )


def parity(r: Dealer) -> str:
    """A proof."""
    m, n = r.sample("abkmnpq", 2)
    kind, left, right, total = r.choice(
        [
            ("two even numbers is even", f"2{m}", f"2{n}", f"2({m} + {n})"),
            ("two odd numbers is even", f"2{m} + 1", f"2{n} + 1", f"2({m} + {n} + 1)"),
            ("an even and an odd number is odd", f"2{m}", f"2{n} + 1", f"2({m} + {n}) + 1"),
        ]
    )
    return f"The sum of {kind}. Proof: write them as {left} and {right}; the sum is {total}, as claimed."


def fractions(r: Dealer) -> str:
    """A sum."""
    a, b = Fraction(r.randint(1, 5), r.randint(6, 9)), Fraction(r.randint(1, 4), r.choice([5, 7, 11]))
    below = a.denominator * b.denominator
    up, vp = a.numerator * b.denominator, b.numerator * a.denominator
    steps = f"{up}/{below} + {vp}/{below} = {up + vp}/{below}"
    return f"Add {a} + {b}. With the denominator {below} this is {steps} = {a + b}."


def determinant(r: Dealer) -> str:
    """Two by two."""
    a, b, c, d = (r.randint(1, 9) for _ in range(4))
    value = a * d - b * c
    verdict = "has an inverse" if value else "is singular"
    return f"det [[{a}, {b}], [{c}, {d}]] = {a} * {d} - {b} * {c} = {value}, {r.choice(SO)} the matrix {verdict}."


def distance(r: Dealer) -> str:
    """Of two points."""
    x, y = r.randint(-5, 5), r.randint(-5, 5)
    dx, dy, d = r.choice([(3, 4, 5), (6, 8, 10), (5, 12, 13), (8, 15, 17)])
    middle = f"({Fraction(2 * x + dx, 2)}, {Fraction(2 * y + dy, 2)})"
    return (
        f"The points P = ({x}, {y}) and Q = ({x + dx}, {y + dy}) differ by ({dx}, {dy}). Their distance is "
        f"sqrt({dx * dx} + {dy * dy}) = sqrt({d * d}) = {d}, with midpoint {middle}."
    )


def percentage(r: Dealer) -> str:
    """Of a price."""
    price, share = 20 * r.randint(2, 30), r.choice([5, 10, 15, 20, 25, 40])
    off = price * share // 100
    return (
        f"A price of {price} falls by {share}%. The reduction is {price} * {share}/100 = {off}, the new price "
        f"{price - off}."
    )


def system(r: Dealer) -> str:
    """Two unknowns."""
    x, y = r.randint(1, 9), r.randint(1, 9)
    u, v = r.sample("abpqstuvxy", 2)
    return (
        f"Given {u} + {v} = {x + y} and {u} - {v} = {x - y}. Adding the equations, 2{u} = {2 * x}, "
        f"{r.choice(SO)} {u} = {x}; from the first, {v} = {x + y} - {x} = {y}."
    )


def logarithm(r: Dealer) -> str:
    """Rules."""
    base, m, n = r.choice([2, 3, 5, 10]), r.randint(2, 4), r.randint(1, 3)
    return (
        f"Since {base}^{m} = {base**m} and {base}^{n} = {base**n}, the logarithm of {base ** (m + n)} to base {base} "
        f"is {m} + {n} = {m + n}: the logarithm of a product is the sum of the logarithms."
    )


def binomial(r: Dealer) -> str:
    """A square or a choice."""
    n, k, a = r.randint(5, 10), r.randint(2, 3), r.randint(2, 9)
    return (
        f"(x + {a})^2 = x^2 + {2 * a}x + {a * a}. Of {n} things, {k} can be chosen in {n}!/({k}!{n - k}!) = "
        f"{math.comb(n, k)} ways."
    )


def induction(r: Dealer) -> str:
    """A sum."""
    n = r.choice("kmn")
    claim, step = r.choice(
        [
            (f"1 + 2 + ... + {n} = {n}({n} + 1)/2", f"{n}({n} + 1)/2 + ({n} + 1) = ({n} + 1)({n} + 2)/2"),
            (f"1 + 3 + ... + (2{n} - 1) = {n}^2", f"{n}^2 + 2{n} + 1 = ({n} + 1)^2"),
            (f"1 + 2 + 4 + ... + 2^{n} = 2^({n} + 1) - 1", f"2^({n} + 1) - 1 + 2^({n} + 1) = 2^({n} + 2) - 1"),
        ]
    )
    return f"By induction, {claim}. It holds at the start, and the step is {step}. Check: the next case follows."


def circle(r: Dealer) -> str:
    """Its area."""
    radius = r.randint(2, 15)
    return (
        f"A circle of radius {radius} has circumference 2 * pi * {radius} = {2 * radius} pi and area pi * {radius}^2 = "
        f"{radius**2} pi; a sector of 90 degrees has a quarter of it, {Fraction(radius**2, 4)} pi."
    )


def sets(r: Dealer) -> str:
    """Of small numbers."""
    a, b = (set(r.sample(range(1, 13), 4)) for _ in range(2))
    shown = ["{" + ", ".join(map(str, sorted(s))) + "}" for s in (a, b, a | b, a & b)]
    return f"Let A = {shown[0]} and B = {shown[1]}. Then the union is {shown[2]} and the intersection {shown[3]}."


KINDS: tuple[Callable[[Dealer], str], ...] = (
    *(linear, quadratic, derivative, integral, divisor, series, triangle, right_triangle, remainder, factors, chance),
    *(parity, fractions, determinant, distance, percentage, system, logarithm, binomial, induction, circle, sets),
)


def mathematics(dealer: Dealer, wanted: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Texts of four derivations of different kinds, each a cluster of its own."""
    while True:
        name = f"{dealer.getrandbits(48):012x}"
        own = random.Random(name)
        if wanted(name):
            told = (f"{own.choice(OPENINGS)}{kind(own)}" for kind in own.sample(KINDS, 5))
            yield name, own.choice((" ", "\n")).join(told)
