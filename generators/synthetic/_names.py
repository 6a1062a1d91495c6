"""Names of people, companies, towns and streets, combined from lists; and dates as people write them."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from ._grammar import Dice, spread

HEADS = (
    "North South East West Alder Amber Arden Ash Aspen Avon Bal Barn Beck Bel Birch Black Blake Bram Bren Briar "
    "Bright Brock Brook Buck Burn Cal Cam Car Castle Cedar Chel Clay Clear Cliff Cold Corn Cran Crest Crow Dal Dart "
    "Deer Den Dover Drum Dun Eagle Elder Elm Ember Ever Fair Falcon Fal Fen Fern Field Flint Fox Garn Glen Gold Gran "
    "Green Grims Hale Hal Har Hart Haw Hazel Heath Helm High Holm Holt Horn Hunter Inver Iron Kel Ken Kes Kings Kirk "
    "Lan Lark Laurel Lex Lin Lock Long Lyn Maple Mar Mel Mer Mill Mon Moss Nor Oak Oakes Old Orch Otter Pem Pine Quarry "
    "Rad Raven Red Ren Ridge River Rock Rose Rowan Rush Saltz Sand Sel Shel Silver Sky Spring Stan Star Sterling Stone "
    "Storm Strath Summer Sun Swan Tal Tam Thorn Tor Tren Turn Under Vale Wake Wal War Wat Wel Whit Wil Win Wind Wolf "
    "Wood Wren Yar York"
).split()
TAILS = (
    "acre bank bay beck bourne bridge brook burn bury by castle cliff combe cote court cove croft cross dale dean don "
    "down end fell field ford forge gate glen grove hall ham haven head hill holme hurst lake land leigh ley lock low "
    "mark marsh mead mere mill mont moor more mount ness path pike pool port quay reach ridge rock shaw shore side "
    "spring stead stoke stone stow thorpe ton vale view ville wade water way well wharf wich wick wood worth yard"
).split()
_REAL = (
    "Blackrock Blackstone Brookfield Silverlake Springfield Goldmine Whitehall Moorgate Highway Norway Holland".split()
)


@lru_cache(maxsize=1)
def stems() -> tuple[str, ...]:
    """All company stems: "Elmmount", "Millmill" and well-known names are left out."""
    pairs = ((head, tail) for head in HEADS for tail in TAILS if head[-1] != tail[0] and head.lower() != tail)
    return tuple(head + tail for head, tail in pairs if head + tail not in _REAL)


TRADES = tuple(
    name.replace("-", " ")
    for name in (
        "Analytics Aerospace Bearings Biosciences Brewing Building-Products Capital Castings Ceramics Chemicals Coatings "
        "Components Controls Cold-Storage Data Dental Diagnostics Digital Distribution Electronics Energy Engineering "
        "Environmental Fabrication Fasteners Filtration Foods Freight Glass Healthcare Holdings Hydraulics Imaging "
        "Industries Instruments Interiors Laboratories Lighting Logistics Marine Materials Media Metals Mobility Networks "
        "Nutrition Optics Packaging Paper Partners Pharma Plastics Polymers Power Precision Properties Rail Refrigeration "
        "Resources Robotics Software Solutions Systems Technologies Textiles Tooling Transport Turbines Utilities Water"
    ).split()
)

FIRST_NAMES = (
    "Aaron Abigail Adaeze Adrian Agnes Ahmed Aisha Alan Alejandra Alice Alistair Amara Amelia Amir Amy Ana Andrea "
    "Andrew Angela Anita Anjali Anna Anthony Anton Arjun Astrid Aylin Beatriz Ben Bethany Bianca Bogdan Brendan "
    "Bridget Bruno Camille Carla Carlos Caroline Catherine Cecilia Charles Chiara Chidi Chloe Christine Claire Clara "
    "Colin Conor Craig Cristina Dalia Daniel Daria David Deborah Deepa Denise Derek Diana Diego Dimitri Dominic "
    "Donna Dylan Edith Eduardo Eileen Elaine Elena Eli Elif Elizabeth Emeka Emily Emma Enrique Eric Erik Esther "
    "Ethan Eva Fatima Felix Fiona Florence Frances Frank Gabriela Gareth Gemma George Gerald Gloria Graham Grace "
    "Greta Gustav Hannah Harriet Harold Hassan Heather Helen Henrik Hugo Ibrahim Ines Ingrid Irene Isaac Isabel Ivan "
    "Jack Jacob Jamal James Janet Jasmine Javier Jean Jennifer Jerome Joan Joanna Joel Johan John Jonathan Jorge "
    "Joseph Joyce Judith Julia Julian Kamala Karen Karim Katarina Keiko Keith Kenji Kevin Kofi Laila Lars Laura "
    "Lauren Leah Leo Leon Liam Lila Linda Lorenzo Louise Lucas Lucia Luis Magda Malik Manuel Marcus Margaret Maria "
    "Marie Mark Marta Martin Matteo Maya Mei Mehmet Michael Mina Miriam Mohammed Monica Nadia Naomi Natalie Neil "
    "Nicholas Nicole Nikhil Nina Noah Nora Oliver Olivia Omar Oscar Owen Paolo Patricia Paul Pedro Petra Philip Pia "
    "Priya Quentin Rachel Rafael Rahul Ralph Ramona Raymond Rebecca Renata Rhys Ricardo Richard Robert Rosa Rowena "
    "Ruth Sabine Salma Samir Samuel Sandra Sanjay Sarah Sean Selma Serena Simon Sofia Sonia Stefan Stella Stephen "
    "Susan Sven Tamara Tariq Teresa Thomas Tobias Tomoko Trevor Umar Ursula Valentina Vera Victor Vikram Vincent "
    "Wanda Wei Wendy William Xavier Yara Yasmin Yusuf Yvonne Zachary Zainab Zoe"
).split()
SURNAMES = (
    "Abara Abbott Achterberg Adeyemi Agarwal Aguilar Ahlgren Akhtar Aldridge Almeida Alvarado Amadi Andersen Anand "
    "Armitage Ashworth Atkins Bajwa Balogun Banerjee Barlow Barros Bauer Beaumont Bellamy Benedetti Bergstrom "
    "Bhattacharya Blackwell Blanchard Bohm Booth Bouchard Bradshaw Brandt Brennan Briggs Brightman Bustamante Byrne "
    "Cabrera Calloway Cardoso Carmichael Castellano Cavanagh Chalmers Chandra Chatterjee Cheung Chowdhury Clifton "
    "Coleman Connolly Cordero Costa Crawford Dahl Dalton Danso Delacroix Delgado Desai Dhillon Dimitrov Donnelly "
    "Drummond Duarte Dubois Duffy Eberhardt Eckert Edgerton Ekwueme Ellison Engel Eriksen Escobar Espinoza Fairbanks "
    "Farouk Fenwick Fernandes Ferrara Fielding Fischer Fitzgerald Flanagan Fonseca Forsythe Fournier Fredriksen "
    "Gallagher Gallo Garrity Gentile Ghosh Gilchrist Goodwin Gorman Greaves Gupta Gustafsson Haddad Halloran Hansen "
    "Hargreaves Hartley Hashimoto Hathaway Hawthorne Hendricks Herrera Hewitt Holloway Horvath Huang Hutchins "
    "Ibarra Idris Iqbal Iversen Jablonski Jankowski Jansen Jarvis Jimenez Johansson Kapoor Karlsson Kaufmann "
    "Kavanagh Kelleher Khatri Kimura Kincaid Kirby Kobayashi Koch Kovacs Kowalski Krishnan Kruger Lachance "
    "Lambert Langley Larsson Laurent Lawson Leclerc Lehmann Levesque Lindgren Lombardi Lowell Lundqvist MacLeod "
    "Maddox Magnusson Mahmoud Maitland Malhotra Mancini Marchetti Marsden Mbeki McAllister McCarthy McGrath Mehta "
    "Mendoza Mercer Meyer Middleton Mitra Molina Montague Moreau Moretti Mukherjee Mulligan Nakamura Navarro Ndlovu "
    "Newcombe Nguyen Nikolaidis Nkemelu Norwood Novak Nyberg Obi Oduya Ogilvie Okafor Okonkwo Oliveira Onyango "
    "Osborne Ostrowski Pacheco Papadakis Pasquale Patel Pemberton Pereira Petrov Pickering Pinto Popescu Pritchard "
    "Quigley Quintero Rahman Ramsey Rasmussen Redmond Reinhardt Renner Restrepo Reyes Richter Rinaldi Rivas Robledo "
    "Romano Rosenthal Rossi Rutherford Sadler Saito Salazar Sandoval Santoro Sato Schaefer Schroeder Sefton Sharma "
    "Sheridan Shevchenko Silva Sinclair Singh Skinner Sorensen Stafford Stein Stratton Suarez Sutherland Suzuki "
    "Takahashi Tanaka Tavares Thackeray Thorne Tierney Toledo Tremblay Trevino Tsui Underwood Unger Valdez Vance "
    "Varga Vasquez Venter Villanueva Vogel Wadsworth Wainwright Walcott Watanabe Weaver Webber Weiss Wetherby "
    "Whitaker Wickham Wilkes Winslow Wojcik Wolfe Woodward Wu Yamada Yates Yilmaz Yoder Zamora Zhang Ziegler Zielinski"
).split()

STREETS = (
    "Abbey Acorn Albion Anchor Bakers Beacon Bishop Brewery Bridge Bridle Canal Carlton Cathedral Chapel Chestnut "
    "Church Clarence College Commerce Copper Cornmarket Dock Exchange Factory Foundry Fountain Garrison Granary "
    "Harbour Haymarket Hospital Ironworks Jubilee Juniper Kiln Lantern Library Lime Linden Lombard Market Marlborough "
    "Meridian Mercer Mulberry Observatory Orchard Park Parliament Pier Pilgrim Poplar Princes Prospect Queens Quince "
    "Railway Regent Ropewalk Saddlers School Spinners Station Sycamore Tanner Temple Theatre Tower Trinity Union "
    "Victoria Vineyard Walnut Warehouse Waterloo Weavers Wellington Wharf Willow Windmill"
).split()
STREET_KINDS = "Street Street Street Road Lane Avenue Way Drive Place".split()

_MONTHS = ("January February March April May June July August September October November December").split()


def stem(position: int, key: str) -> str:
    """The stem of a company's name; no two positions share one before all have been used under the same key."""
    return stems()[spread(position, len(stems()), key)]


def any_stem(dice: Dice) -> str:
    """A stem for a company that is merely mentioned."""
    return dice.pick(stems())


_STARTS = (
    "Abi Al Bel Bri Cal Cor Dal Dre El Eno Evo Fen Fla Gal Gre Hel Ili Im Jor Kal Kri Lum Mel Nor Ona Or Ova Pel Ple "
    "Quin Ral Sca Sel Ste Tal Tri Ul Umi Vel Vra Wel Xan Yor Zan Zel"
).split()
_MIDDLES = "va ri lo ne ta mi so du ze fo ca li ro xi pa".split()
_ENDS = "dia nex tra vis zyn ris mera stin lex qua vance brio dara fend gena lora nova pira rexa sant tiva vera zora".split()
BRANDS = len(_STARTS) * len(_MIDDLES) * len(_ENDS)
"""How many brands there are before the first comes again."""


def brand(position: int, key: str) -> str:
    """An invented brand of a medicine or device; no two positions below ``BRANDS`` share one under the same key."""
    number, end = divmod(spread(position, BRANDS, key), len(_ENDS))
    start, middle = divmod(number, len(_MIDDLES))
    return _STARTS[start] + _MIDDLES[middle] + _ENDS[end]


def substance(dice: Dice, suffix: str) -> str:
    """An invented substance name with the suffix of its class."""
    return "".join(dice.pick("bdfgklmnprstvz") + dice.pick("aeiou") for _ in range(3)) + suffix


def trade(dice: Dice) -> str:
    """What a company's second name says it does."""
    return dice.pick(TRADES)


def person(dice: Dice) -> str:
    """First name and surname."""
    return f"{dice.pick(FIRST_NAMES)} {dice.pick(SURNAMES)}"


def firm(dice: Dice) -> str:
    """A partnership of lawyers, accountants or valuers."""
    place = dice.below(len(SURNAMES))
    other = (place + dice.between(1, len(SURNAMES) - 1)) % len(SURNAMES)
    return f"{SURNAMES[place]} {SURNAMES[other]} {dice.pick(('LLP', 'Partners'))}"


def street(dice: Dice) -> str:
    """House number and street."""
    return f"{dice.between(2, 480)} {dice.pick(STREETS)} {dice.pick(STREET_KINDS)}"


def written(day: date, american: bool) -> str:
    """``14 March 2023``, or ``March 14, 2023``."""
    month = _MONTHS[day.month - 1]
    return f"{month} {day.day}, {day.year}" if american else f"{day.day} {month} {day.year}"


def month_of(day: date) -> str:
    """``March 2023``."""
    return f"{_MONTHS[day.month - 1]} {day.year}"
