"""Made-up users, products and stock counts, row by row."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from datetime import date, timedelta
from typing import NamedTuple

from saleslake.synthetic.orders import money

Row = list[str]

USERS = ["user_id", "email", "created_at", "country"]
PRODUCTS = ["sku", "name", "category", "price"]
STOCK = ["product_id", "on_hand", "counted_at"]

FIRST_NAMES = ("Ana", "Björn", "Chloé", "Davide", "Eva", "Fatima", "George", "Hana", "Iñigo", "Jürgen", "Kasia", "Luís")
LAST_NAMES = ("Almeida", "Berg", "Conti", "Dąbrowska", "Evans", "Fischer", "García", "Hughes", "Ito", "Jansen", "Klein")
COUNTRIES = ("DE", "DE", "DE", "FR", "FR", "ES", "IT", "NL", "GB", "GB", "US", "US", "US", "JP", "PL", "")
ADJECTIVES = ("Classic", "Compact", "Organic", "Foldable", "Wireless", "Handmade", "Café", "Größe XL", "Pro", "Mini")
NOUNS: tuple[tuple[str, str, int, int], ...] = (
    ("Coffee Mug", "Kitchen", 690, 1900),
    ("Chef's Knife", "Kitchen", 2900, 14900),
    ('Monitor 24"', "Electronics", 11900, 39900),
    ("Headphones", "Electronics", 3900, 29900),
    ("Shirt, striped", "Clothing", 1900, 5900),
    ("Rain Jacket", "Clothing", 4900, 18900),
    ("Notebook, A5, dotted", "Stationery", 390, 1490),
    ("Fountain Pen", "Stationery", 1200, 8900),
    ("Yoga Mat", "Sports", 1490, 6900),
    ("Kettlebell 8 kg", "Sports", 1990, 4490),
    ("Jigsaw Puzzle", "Toys", 790, 2990),
    ('Toy "Rocket"', "Toys", 990, 4990),
)
MANUFACTURERS = ("Acme", "Nordlicht GmbH", "Smith & Sons, Ltd", "Ōkami", "Città Viva", "Bright")


class Product(NamedTuple):
    """What is known of a product before anything is planted; the price in hundredths."""

    sku: str
    name: str
    category: str
    manufacturer: str
    cents: int


def user_ids(count: int) -> list[str]:
    """The ids of all known users."""
    return [f"USR-{number:06d}" for number in range(1, count + 1)]


def users(count: int, seed: str, before: date) -> Iterator[Row]:
    """Rows of `users.csv`; everybody signed up in the three years before `before`."""
    rng = random.Random(f"{seed}:users")
    for user_id in user_ids(count):
        name = f"{rng.choice(FIRST_NAMES)}.{rng.choice(LAST_NAMES)}".lower()
        ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
        signed_up = before - timedelta(days=1 + int(1095 * rng.random()))
        yield [user_id, f"{ascii_name}{int(user_id[4:])}@example.com", signed_up.isoformat(), rng.choice(COUNTRIES)]


def products(count: int, seed: str) -> list[Product]:
    """The whole catalogue, most popular first."""
    rng = random.Random(f"{seed}:products")
    made: list[Product] = []
    for number in range(1, count + 1):
        noun, category, low, high = rng.choice(NOUNS)
        cents = rng.randrange(low, high, 10) + rng.choice((0, 5, 9, 9))
        name = f"{rng.choice(ADJECTIVES)} {noun}"
        made.append(Product(f"SKU-{number:05d}", name, category, rng.choice(MANUFACTURERS), cents))
    return made


def in_csv(place: int, count: int) -> bool:
    """Whether `products.csv` has the product: all but the last twentieth."""
    return place < count - count // 20


def in_api(place: int, count: int) -> bool:
    """Whether the product API has it: all but one in twenty."""
    return place % 20 != 10


def product_rows(catalogue: list[Product]) -> Iterator[Row]:
    """Rows of `products.csv`."""
    for place, product in enumerate(catalogue):
        if in_csv(place, len(catalogue)):
            yield [product.sku, product.name, product.category, money(product.cents)]


def product_documents(catalogue: list[Product]) -> Iterator[dict[str, object]]:
    """Elements of `products_api.json`: other field names, and one price in ten is not the one in the CSV."""
    for place, product in enumerate(catalogue):
        if in_api(place, len(catalogue)):
            raised = product.cents + (50 if place % 10 == 3 else 0)
            yield {
                "product_id": product.sku,
                "product_name": product.name,
                "category": product.category,
                "manufacturer": product.manufacturer,
                "base_price": raised / 100,
            }


def stock_rows(catalogue: list[Product], seed: str, start: date, days: int) -> Iterator[Row]:
    """Rows of `stock.csv`: one product in eight has no count, one in three a second and later one."""
    rng = random.Random(f"{seed}:stock")
    for place, product in enumerate(catalogue):
        if place % 8 == 7:
            continue
        on_hand, counted = rng.randrange(0, 800), start + timedelta(days=rng.randrange(max(1, days // 2)))
        yield [product.sku, str(on_hand), counted.isoformat()]
        if place % 3 == 0:
            counted += timedelta(days=1 + rng.randrange(max(1, days // 2)))
            yield [product.sku, str(int(on_hand * rng.random())), counted.isoformat()]
