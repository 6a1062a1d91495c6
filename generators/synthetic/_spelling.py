"""American spelling for texts that are written in British spelling."""

from __future__ import annotations

import re
from functools import lru_cache

_AMERICAN = {
    "aluminium": "aluminum", "amortisation": "amortization", "analyse": "analyze", "analysed": "analyzed",
    "analysers": "analyzers", "authorisation": "authorization", "authorisations": "authorizations",
    "authorise": "authorize", "authorised": "authorized", "authorises": "authorizes", "behaviour": "behavior",
    "cancelled": "canceled", "capitalised": "capitalized", "catalogue": "catalog", "catalogues": "catalogs",
    "categorised": "categorized", "centralised": "centralized", "centre": "center", "centres": "centers",
    "cheque": "check", "colour": "color", "colours": "colors", "counselling": "counseling", "defence": "defense",
    "diarrhoea": "diarrhea", "emphasise": "emphasize", "endeavours": "efforts", "enquiries": "inquiries",
    "familiarisation": "familiarization", "favour": "favor", "favourable": "favorable", "fibre": "fiber",
    "flavours": "flavors", "fulfil": "fulfill", "haematology": "hematology", "haemoglobin": "hemoglobin",
    "harmonised": "harmonized", "honour": "honor", "hospitalisation": "hospitalization",
    "hospitalised": "hospitalized", "immunoglobulin": "immunoglobulin", "instalment": "installment",
    "instalments": "installments", "judgement": "judgment", "labelled": "labeled", "labelling": "labeling",
    "labour": "labor", "leukaemia": "leukemia", "licence": "license", "licences": "licenses", "litre": "liter",
    "localisation": "localization", "metre": "meter", "microlitre": "microliter", "metres": "meters", "minimise": "minimize",
    "modelling": "modeling", "moulded": "molded", "neighbouring": "neighboring", "oedema": "edema",
    "offence": "offense", "optimisation": "optimization", "organisation": "organization",
    "organisational": "organizational", "organisations": "organizations", "organised": "organized",
    "organisers": "organizers", "orthopaedics": "orthopedics", "paediatric": "pediatric", "per cent": "percent",
    "practise": "practice", "randomised": "randomized", "prioritised": "prioritized", "programme": "program", "programmes": "programs",
    "pseudonymised": "pseudonymized", "realisable": "realizable", "realised": "realized",
    "recognise": "recognize", "recognised": "recognized", "recognises": "recognizes", "specialised": "specialized",
    "stabilisation": "stabilization", "sterilisation": "sterilization", "storey": "story", "summarised": "summarized",
    "travelling": "traveling", "tumour": "tumor", "tyres": "tires", "unauthorised": "unauthorized",
    "unfavourable": "unfavorable", "unrealised": "unrealized", "unrecognised": "unrecognized",
    "utilisation": "utilization",
}  # fmt: skip


@lru_cache(maxsize=1)
def _pattern() -> re.Pattern[str]:
    return re.compile(r"\b(" + "|".join(_AMERICAN) + r")\b", re.IGNORECASE)


def american(text: str) -> str:
    """The text with the words of the list respelled, capitals kept."""

    def respelled(match: re.Match[str]) -> str:
        word = _AMERICAN[match[0].lower()]
        return word.capitalize() if match[0][0].isupper() else word

    return _pattern().sub(respelled, text)
