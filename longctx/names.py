"""Names of people, companies and things, drawn from lists that give far more than 20,000 of each kind."""

from __future__ import annotations

import random

NAME_KINDS = ("company", "constant", "person", "place", "product", "project")

_STEMS = (
    "Alder Amber Anchor Arden Ashby Aspen Barlow Beacon Birch Blackwood Brant Briar Bridgeport Brook Calder Cannon "
    "Cedar Chandler Clover Cobalt Corbin Crescent Dalton Darnley Dover Drummond Eastgate Elkhorn Ember Fairmont Falcon "
    "Farrow Fenwick Ferris Flint Forsyth Foxglove Garnet Glenmore Granite Greyfield Halden Harrow Hartwell Hawthorne "
    "Heron Hollis Hudson Ironwood Jarrow Juniper Kelso Kendal Kestrel Kingsley Langford Larkin Laurel Linden Lockhart "
    "Lowell Lyndon Maple Marlow Merrick Midland Millbrook Monarch Morland Nash Newbury Norwood Oakhurst Onslow Orchard "
    "Osprey Oxley Paragon Parkhurst Pelham Pembroke Pinnacle Preston Quarry Quill Radnor Ravenna Redwood Ridgeway "
    "Rowan Rushford Sable Saxon Selby Sheldon Silverton Stanton Sterling Stonebridge Sumner Sutton Talbot Tamar Thorne "
    "Tilden Torrance Trent Upton Vance Verity Walden Warwick Waverly Wexford Whitfield Willow Winslow Wolcott Wyndham "
    "Yarrow York Zephyr"
).split()
_BUSINESS = (
    "Analytics Biologics Capital Ceramics Chemicals Components Data Diagnostics Electronics Energy Foods Freight "
    "Instruments Labs Logistics Marine Materials Media Medical Metals Motors Networks Optics Packaging Paper Pharma "
    "Plastics Power Robotics Semiconductor Software Solutions Steel Storage Systems Technologies Textiles Tools Water"
).split()
_FORMS = ("Inc.", "LLC", "Ltd.", "Corp.", "Group plc", "Holdings, Inc.", "Partners LP", "Co.")
_FIRST = (
    "Adaeze Adrian Aisha Alan Alejandro Alice Amara Amir Ana Andrea Anita Anton Astrid Beatriz Benjamin Bianca Bruno "
    "Camille Carlos Carmen Catherine Chidi Claire Daniel Daria David Deepa Diana Diego Dmitri Edith Elena Elias Emeka "
    "Emily Erik Esther Fatima Felix Fiona Francis Gabriel Grace Greta Hannah Hassan Helen Henrik Hugo Ibrahim Ines "
    "Irene Isaac Ivan Jacob Jana Jasmine Joanna Jonas Julia Kamal Karin Kenji Laila Lars Laura Leon Lina Louis Lucia "
    "Magnus Maria Marcus Margaret Marta Mei Miriam Mohamed Nadia Naomi Natalie Nikolai Nina Noor Olga Oliver Omar Paula "
    "Peter Priya Rachel Rafael Ravi Rebecca Rosa Ruth Samuel Sanjay Sara Sofia Stefan Sunita Tariq Teresa Thomas Tomas "
    "Ursula Vera Victor Wei Yasmin Yusuf Zara"
).split()
_LAST = (
    "Abbott Acheampong Aguilar Ahmed Albrecht Almeida Andersson Arslan Bauer Becker Bennett Bergstrom Bianchi Bouchard "
    "Brandt Campbell Castillo Chaudhry Chen Costa Dahl Delacroix Desai Duarte Eriksen Espinoza Farouk Fernandes Fischer "
    "Fontaine Gallagher Garcia Gibson Goldberg Gupta Haddad Hansen Hartmann Hayashi Herrera Hoffmann Hughes Ibarra "
    "Ivanov Jankowski Jensen Kaplan Kapoor Keller Khan Kovacs Kowalski Lambert Larsen Lehmann Lindqvist Lopez Mahmoud "
    "Martin Mbeki Mendoza Meyer Moreau Morgan Moretti Murphy Nakamura Navarro Nguyen Novak Nowak Obi Okafor Okonkwo "
    "Olsen Ortega Osei Patel Pereira Petrov Pinto Popescu Quinn Ramirez Rao Richter Rossi Russo Salazar Santos Schmidt "
    "Schneider Sharma Silva Simmons Sokolov Sorensen Tanaka Thompson Torres Ueda Vargas Vasquez Vogel Wagner Walsh "
    "Weber Winter Yamada Yilmaz Zhang Zimmermann"
).split()
_ADJECTIVES = (
    "Amber Autumn Azure Bright Bronze Calm Clear Coastal Copper Coral Crimson Crystal Deep Distant Eastern Emerald Fast "
    "First Frozen Gentle Golden Grand Granite Green Hidden High Hollow Inner Iron Ivory Jade Keen Lasting Late Light "
    "Linear Lone Lunar Marble Marine Mellow Midnight Misty Modern Narrow New Noble Northern Open Outer Pale Patient "
    "Polar Prime Proud Quick Quiet Rapid Red Rising Royal Rural Rustic Safe Scarlet Second Silent Silver Simple Slate "
    "Solar Solid Southern Spring Steady Steel Still Stone Strong Summer Swift Third True Twin Upper Urban Velvet Vivid "
    "Warm Western White Wide Wild Winter"
).split()
_NOUNS = (
    "Anvil Arch Atlas Badger Bay Bell Bison Bridge Canyon Cape Castle Cliff Cloud Comet Compass Condor Coral Crane Creek "
    "Delta Dune Eagle Echo Falcon Fern Field Finch Fjord Forest Forge Fox Gate Glacier Grove Gull Harbor Hare Haven "
    "Hawk Heath Heron Hill Horizon Island Jetty Kite Lagoon Lake Lantern Lark Lynx Marten Meadow Mesa Mill Moon Moor "
    "Mountain Oak Ocean Orchid Otter Owl Palm Peak Pearl Pebble Pelican Pier Pine Plain Plover Pond Prairie Quartz Quay "
    "Rain Raven Reef Ridge River Robin Sail Salmon Sand Shore Signal Sparrow Spruce Star Stork Storm Stream Summit Swan "
    "Thicket Thunder Tide Tower Trail Tulip Valley Vine Wave Willow Wind Wolf Wren"
).split()
_PRODUCT_ENDS = "ara axis core dex ella fin flow gen ion ium lex line lith mar nova ora pro quel rex sol tec tor vex via zen".split()
_PRODUCT_STARTS = (
    "Acu Alti Ampli Aro Avi Axi Bari Beno Cali Cami Cela Cori Dala Deri Domi Ela Elo Endo Eri Fari Feno Flexi Gali Geno "
    "Hali Hemo Ino Iri Kali Kera Lami Levo Liri Lumi Maxi Meli Meri Mira Navi Neo Nori Ola Omi Orbi Pani Pela Peri Quali "
    "Rami Reno Rivo Sali Sela Sori Tali Teno Tira Ulti Uro Vari Veli Vera Vita Xeno Zeli"
).split()
_PRODUCT_MARKS = (
    "",
    " 2",
    " 3",
    " 5",
    " 7",
    " Plus",
    " XR",
    " Duo",
    " One",
    " Max",
    " SR",
    " Select",
    " Prime",
    " Neo",
)
_PLACE_STARTS = _STEMS
_PLACE_ENDS = "Bay Bridge Center Creek Falls Ferry Grove Heights Hill Junction Landing Mills Park Point Ridge Springs Valley Village".split()
_PLACE_SIDES = ("", "North ", "South ", "East ", "West ", "New ", "Upper ", "Lower ", "Old ", "Port ")
_CONSTANT_A = (
    "ARCHIVE AUDIT BACKUP BATCH BILLING BUFFER CACHE CHANNEL CHUNK CLIENT CLUSTER CURSOR DAEMON DIGEST DRAIN EVENT "
    "EXPORT FETCH FLUSH GATEWAY HANDSHAKE HEARTBEAT IMPORT INDEX INGEST JOURNAL LEASE LEDGER LISTENER MAILBOX MERGE MIRROR "
    "PARSER PIPELINE POLL PREFETCH PROBE PROXY QUEUE REPLAY REPLICA ROUTER SAMPLER SCHEDULER SESSION SHARD SNAPSHOT SOCKET "
    "SPOOL STREAM SYNC TENANT TICKET TOKEN TRACE UPLOAD WATCHDOG WEBHOOK WORKER"
).split()
_CONSTANT_B = (
    "ACCEPT BACKOFF BURST COMMIT COMPACT CONNECT DECODE DISPATCH ENCODE EVICT EXPIRE FANOUT GRACE HOLD IDLE LOOKUP "
    "OPEN PURGE QUOTA READ REFRESH RENEW RESUME RETRY ROTATE SCAN SEAL SETTLE SPLIT STALE SWEEP VERIFY WAIT WARMUP WRITE"
).split()
_CONSTANT_C = "BUDGET BYTES CEILING COUNT DEADLINE FLOOR INTERVAL LIMIT MASK OFFSET SEED SIZE SLOTS THRESHOLD TIMEOUT WINDOW".split()

_DE_FIRST = (
    "Andreas Angelika Anja Annika Barbara Bernd Birgit Carsten Christa Claudia Dieter Dirk Elke Erika Felix Florian "
    "Frank Franziska Friedrich Gabriele Gerd Gisela Günter Hannelore Heike Heinz Helga Ingrid Jannik Jens Johanna Jörg "
    "Jürgen Karin Katharina Klaus Kerstin Lena Lothar Manfred Mareike Markus Matthias Meike Monika Nadine Niklas Norbert "
    "Petra Rainer Renate Rolf Sabine Silke Stefan Susanne Svenja Thorsten Tobias Ulrike Ursula Uwe Volker Werner Wiebke "
    "Wolfgang"
).split()
_DE_LAST = (
    "Ackermann Albrecht Arnold Baumann Beck Berger Böhm Brandt Braun Busch Dietrich Ebert Engel Fiedler Förster Franke "
    "Friedrich Fuchs Graf Günther Haas Hahn Hartmann Heinrich Herrmann Hofmann Huber Jäger Jansen Kaiser Keller Köhler "
    "König Krämer Krause Kuhn Lange Lehmann Lindner Lorenz Ludwig Maier Meyer Möller Nagel Neumann Otto Pfeiffer Pohl "
    "Reuter Richter Roth Sauer Schäfer Schmitz Schreiber Schubert Schulte Schumacher Seidel Simon Sommer Stein Thiel "
    "Ulrich Vogel Vogt Wagner Walter Weiß Wendt Werner Winkler Winter Wolf Ziegler Zimmermann"
).split()
_DE_STEMS = (
    "Adler Ahorn Alster Amsel Bergland Birken Brücken Buchen Donau Eber Eichen Elbe Erlen Fahren Falken Felsen Fichten "
    "Fuchs Greifen Hafen Hagen Heide Hirsch Holder Insel Isar Kiefern Kranich Küsten Lahn Lerchen Linden Löwen Main "
    "Moor Mosel Mühlen Neckar Nord Oder Ost Quellen Rhein Rosen Ruhr Saale Schwanen See Spree Stein Sturm Sund Tannen "
    "Ufer Ulmen Wald Weiden Werra Weser West Wiesen Wolken"
).split()
_DE_BUSINESS = (
    "bau chemie daten druck elektro energie finanz glas handel holz kabel kunststoff lager licht logistik maschinen medien "
    "metall optik papier pharma sensor soft stahl technik textil transport verlag versand wasser werk"
).split()
_DE_FORMS = ("GmbH", "AG", "KG", "GmbH & Co. KG", "SE", "OHG", "eG", "UG (haftungsbeschränkt)", "KGaA", "e. K.")
_DE_PROJECT = (
    "achse anker bogen brücke burg dorn falter feld fluss garten grund hafen haus höhe horn insel kamm kante krone kuppe "
    "licht mark pfad quelle ring schild spur stein stern strom tal tor turm ufer warte weg welle wende werk zweig"
).split()
_ZH_SURNAMES = "王李张刘陈杨黄赵周吴徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
_ZH_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文志国春梅海燕波宁龙云飞鹏辉鑫宇浩晨欣怡佳雪琳倩雅晓东凤洁莹婷"
_ZH_STEMS = "安邦宝博诚创达德东鼎方丰富冠光广海浩恒弘宏鸿华汇嘉坚健金锦晶景久凯康立联隆茂美铭宁鹏启千庆荣锐瑞盛顺硕泰腾天通万维文祥欣鑫信兴旭亚扬业益盈永宇裕源远泽展振正志智中众卓"
_ZH_PLACES = "北京 上海 广州 深圳 杭州 南京 苏州 成都 重庆 武汉 西安 天津 青岛 大连 宁波 厦门 长沙 合肥 济南 郑州 福州 昆明 无锡 常州".split()
_ZH_BUSINESS = "科技 物流 实业 电子 医药 能源 材料 机械 食品 贸易 信息 环保 建设 纺织 化工 传媒".split()
_ZH_FORMS = ("有限公司", "股份有限公司", "集团有限公司")


def draw_name(kind: str, rng: random.Random, language: str = "en") -> str:
    """One name of `kind` (see ``NAME_KINDS``) in English, German (``de``) or Chinese (``zh``).

    Kinds without lists of their own in a language take the English ones.
    """
    if language == "de" and kind in ("person", "company", "project"):
        return _german(kind, rng)
    if language == "zh" and kind in ("person", "company", "project"):
        return _chinese(kind, rng)
    if kind == "company":
        return f"{rng.choice(_STEMS)} {rng.choice(_BUSINESS)} {rng.choice(_FORMS)}"
    if kind == "person":
        return (
            f"{rng.choice(_FIRST)} {rng.choice(_LAST)}-{rng.choice(_LAST)}"
            if rng.random() < 0.3
            else (f"{rng.choice(_FIRST)} {rng.choice('ABCDEFGHJKLMNPRSTVW')}. {rng.choice(_LAST)}")
        )
    if kind == "product":
        return f"{rng.choice(_PRODUCT_STARTS)}{rng.choice(_PRODUCT_ENDS)}{rng.choice(_PRODUCT_MARKS)}"
    if kind == "place":
        return f"{rng.choice(_PLACE_SIDES)}{rng.choice(_PLACE_STARTS)} {rng.choice(_PLACE_ENDS)}"
    if kind == "constant":
        return f"{rng.choice(_CONSTANT_A)}_{rng.choice(_CONSTANT_B)}_{rng.choice(_CONSTANT_C)}"
    return f"{rng.choice(_ADJECTIVES)} {rng.choice(_NOUNS)} {rng.choice(_PROJECT_TAILS)}".rstrip()


_PROJECT_TAILS = ("", "II", "III", "Central", "East", "North", "South", "West", "Extension", "Renewal")


def _german(kind: str, rng: random.Random) -> str:
    if kind == "person":
        return f"{rng.choice(_DE_FIRST)} {rng.choice(_DE_LAST)}-{rng.choice(_DE_LAST)}"
    if kind == "company":
        return f"{rng.choice(_DE_STEMS)}{rng.choice(_DE_BUSINESS)} {rng.choice(_DE_LAST)} {rng.choice(_DE_FORMS)}"
    return f"{rng.choice(_DE_STEMS)}{rng.choice(_DE_PROJECT)} {rng.choice(('Nord', 'Süd', 'West', 'Ost', 'Mitte', 'I', 'II', 'III', 'IV'))}"


def _chinese(kind: str, rng: random.Random) -> str:
    if kind == "person":
        return rng.choice(_ZH_SURNAMES) + rng.choice(_ZH_GIVEN) + rng.choice(_ZH_GIVEN)
    stem = rng.choice(_ZH_STEMS) + rng.choice(_ZH_STEMS)
    if kind == "company":
        return rng.choice(_ZH_PLACES) + stem + rng.choice(_ZH_BUSINESS) + rng.choice(_ZH_FORMS)
    return stem + rng.choice(_ZH_STEMS) + rng.choice(("一期", "二期", "三期", "四期", "改造", "扩建", "新区", "示范"))
