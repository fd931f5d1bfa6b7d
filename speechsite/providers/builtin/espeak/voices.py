"""The voices that espeak-ng brings, as a table, so that no engine is needed to list them.

A plain voice is a language or accent as espeak-ng speaks it. Others are the same
with another timbre (espeak-ng's variants), for the languages most used. Each has a
person's name, as voices everywhere do; language and accent stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator

from speechsite.providers.types import VoiceInfo

DESCRIPTION = "Built-in, basic: formant synthesis, clear but robotic; free and offline"

# Faroese and Karakalpak are left out: the library comes without their dictionaries.
# id | espeak-ng's name | language | accent | BCP 47 tags
_LANGUAGES = """
    af | gmw/af | Afrikaans | | af
    am | sem/am | Amharic | | am
    an | roa/an | Aragonese | | an
    ar | sem/ar | Arabic | | ar
    as | inc/as | Assamese | | as
    az | trk/az | Azerbaijani | | az
    ba | trk/ba | Bashkir | | ba
    be | zle/be | Belarusian | | be
    bg | zls/bg | Bulgarian | | bg
    bn | inc/bn | Bengali | | bn
    bpy | inc/bpy | Bishnupriya Manipuri | | bpy
    bs | zls/bs | Bosnian | | bs
    ca | roa/ca | Catalan | | ca
    ca-balearic | roa/ca-ba | Catalan | Balearic | ca-ES
    ca-northwestern | roa/ca-nw | Catalan | North-western | ca-ES
    ca-valencia | roa/ca-va | Catalan | Valencian | ca-ES-valencia
    chr | iro/chr | Cherokee | | chr
    zh-cn | sit/cmn | Chinese | Mandarin | zh-CN cmn
    zh-cn-pinyin | sit/cmn-Latn-pinyin | Chinese | Mandarin, Pinyin | zh-Latn-CN cmn-Latn
    cs | zlw/cs | Czech | | cs
    cv | trk/cv | Chuvash | | cv
    cy | cel/cy | Welsh | | cy
    da | gmq/da | Danish | | da
    de | gmw/de | German | | de
    el | grk/el | Greek | | el
    en-029 | gmw/en-029 | English | Caribbean | en-029
    en-gb | gmw/en | English | UK | en-GB
    en-gb-scotland | gmw/en-GB-scotland | English | Scotland | en-GB
    en-gb-lancaster | gmw/en-GB-x-gbclan | English | Lancaster | en-GB
    en-gb-west-midlands | gmw/en-GB-x-gbcwmd | English | West Midlands | en-GB
    en-gb-rp | gmw/en-GB-x-rp | English | Received Pronunciation | en-GB
    en-us | gmw/en-US | English | US | en-US
    en-us-nyc | gmw/en-US-nyc | English | New York | en-US
    eo | art/eo | Esperanto | | eo
    es | roa/es | Spanish | Spain | es-ES
    es-419 | roa/es-419 | Spanish | Latin America | es-419 es-MX
    et | urj/et | Estonian | | et
    eu | eu | Basque | | eu
    fa | ira/fa | Persian | | fa
    fa-latn | ira/fa-Latn | Persian | Latin letters | fa-Latn
    fi | urj/fi | Finnish | | fi
    fr-be | roa/fr-BE | French | Belgium | fr-BE
    fr-ch | roa/fr-CH | French | Switzerland | fr-CH
    fr | roa/fr | French | France | fr-FR
    ga | cel/ga | Irish | | ga
    gd | cel/gd | Scottish Gaelic | | gd
    gn | sai/gn | Guarani | | gn
    grc | grk/grc | Greek | Ancient | grc
    gu | inc/gu | Gujarati | | gu
    hak | sit/hak | Chinese | Hakka | hak
    haw | map/haw | Hawaiian | | haw
    he | sem/he | Hebrew | | he
    hi | inc/hi | Hindi | | hi
    hr | zls/hr | Croatian | | hr
    ht | roa/ht | Haitian Creole | | ht
    hu | urj/hu | Hungarian | | hu
    hy | ine/hy | Armenian | Eastern | hy
    hyw | ine/hyw | Armenian | Western | hyw
    ia | art/ia | Interlingua | | ia
    id | poz/id | Indonesian | | id
    io | art/io | Ido | | io
    is | gmq/is | Icelandic | | is
    it | roa/it | Italian | | it
    ja | jpx/ja | Japanese | | ja
    jbo | art/jbo | Lojban | | jbo
    ka | ccs/ka | Georgian | | ka
    kk | trk/kk | Kazakh | | kk
    kl | esx/kl | Greenlandic | | kl
    kn | dra/kn | Kannada | | kn
    ko | ko | Korean | | ko
    kok | inc/kok | Konkani | | kok
    ku | ira/ku | Kurdish | | ku
    ky | trk/ky | Kyrgyz | | ky
    la | itc/la | Latin | | la
    lb | gmw/lb | Luxembourgish | | lb
    lfn | art/lfn | Lingua Franca Nova | | lfn
    lt | bat/lt | Lithuanian | | lt
    ltg | bat/ltg | Latgalian | | ltg
    lv | bat/lv | Latvian | | lv
    mi | poz/mi | Māori | | mi
    mk | zls/mk | Macedonian | | mk
    ml | dra/ml | Malayalam | | ml
    mr | inc/mr | Marathi | | mr
    ms | poz/ms | Malay | | ms
    mt | sem/mt | Maltese | | mt
    mto | miz/mto | Totontepec Mixe | | mto
    my | sit/my | Burmese | | my
    nb | gmq/nb | Norwegian | Bokmål | nb-NO no
    nci | azc/nci | Nahuatl | Classical | nci
    ne | inc/ne | Nepali | | ne
    nl | gmw/nl | Dutch | | nl
    nog | trk/nog | Nogai | | nog
    om | cus/om | Oromo | | om
    or | inc/or | Odia | | or
    pa | inc/pa | Punjabi | | pa
    pap | roa/pap | Papiamento | | pap
    pl | zlw/pl | Polish | | pl
    pt | roa/pt | Portuguese | Portugal | pt-PT
    pt-br | roa/pt-BR | Portuguese | Brazil | pt-BR
    qu | qu | Quechua | | qu
    quc | myn/quc | K'iche' | | quc
    ro | roa/ro | Romanian | | ro
    ru | zle/ru | Russian | | ru
    ru-classic | zle/ru-cl | Russian | Classic | ru
    ru-lv | zle/ru-LV | Russian | Latvia | ru-LV
    sd | inc/sd | Sindhi | | sd
    shn | tai/shn | Shan | | shn
    si | inc/si | Sinhala | | si
    sk | zlw/sk | Slovak | | sk
    sl | zls/sl | Slovenian | | sl
    smj | urj/smj | Lule Saami | | smj
    sq | ine/sq | Albanian | | sq
    sr | zls/sr | Serbian | | sr
    sv | gmq/sv | Swedish | | sv
    sw | bnt/sw | Swahili | | sw
    ta | dra/ta | Tamil | | ta
    te | dra/te | Telugu | | te
    th | tai/th | Thai | | th
    ti | sem/ti | Tigrinya | | ti
    tk | trk/tk | Turkmen | | tk
    tn | bnt/tn | Setswana | | tn
    tr | trk/tr | Turkish | | tr
    tt | trk/tt | Tatar | | tt
    ug | trk/ug | Uyghur | | ug
    uk | zle/uk | Ukrainian | | uk
    ur | inc/ur | Urdu | | ur
    uz | trk/uz | Uzbek | | uz
    vi | aav/vi | Vietnamese | Northern | vi-VN
    vi-central | aav/vi-VN-x-central | Vietnamese | Central | vi-VN
    vi-south | aav/vi-VN-x-south | Vietnamese | Southern | vi-VN
    zh-hk | sit/yue | Chinese | Cantonese | zh-HK yue
    zh-hk-jyutping | sit/yue-Latn-jyutping | Chinese | Cantonese, Jyutping | yue-Latn
"""

# Of each plain voice.
_NAMES = """
    af Pieter, am Dawit, an Chusé, ar Yusuf, as Bikash, az Elçin, ba Ilgiz, be Ales, bg Georgi,
    bn Anis, bpy Senarik, bs Emir, ca Jordi, ca-balearic Biel, ca-northwestern Ramon,
    ca-valencia Vicent, chr Ahuli, zh-cn Bo, zh-cn-pinyin Yang, cs Jakub, cv Mitta, cy Dylan,
    da Mads, de Karl, el Nikos, en-029 Winston, en-gb James, en-gb-scotland Callum,
    en-gb-lancaster Wilfred, en-gb-west-midlands Reg, en-gb-rp Edmund, en-us David,
    en-us-nyc Frank, eo Ludoviko, es Antonio, es-419 Alejandro, et Tanel, eu Iker, fa Dariush,
    fa-latn Kian, fi Eero, fr-be Bastien, fr-ch Laurent, fr Henri, ga Cormac, gd Ruaridh,
    gn Arandu, grc Alexios, gu Jignesh, hak Fongmin, haw Kekoa, he Noam, hi Vikram, hr Ivo,
    ht Wilner, hu Gábor, hy Aram, hyw Hagop, ia Julio, id Eko, io Arturo, is Gunnar, it Paolo,
    ja Takumi, jbo Djan, ka Giorgi, kk Nurlan, kl Malik, kn Manjunath, ko Jihoon, kok Prakash,
    ku Azad, ky Bakyt, la Marcus, lb Luc, lfn Jorj, lt Mantas, ltg Jezups, lv Jānis, mi Tāne,
    mk Goran, ml Anoop, mr Sachin, ms Hafiz, mt Karmenu, mto Eleuterio, my Aung, nb Lars,
    nci Cuauhtli, ne Bishal, nl Daan, nog Murat, om Tolera, or Debashis, pa Gurpreet,
    pap Ronchi, pl Marek, pt Rui, pt-br Caio, qu Inti, quc Balam, ro Andrei, ru Sergei,
    ru-classic Boris, ru-lv Viktor, sd Zulfiqar, shn Sai, si Nuwan, sk Matej, sl Luka, smj Ánte,
    sq Arben, sr Miloš, sv Erik, sw Juma, ta Murugan, te Ravi, th Somchai, ti Tesfay, tk Merdan,
    tn Kagiso, tr Kemal, tt Rinat, ug Alim, uk Taras, ur Hamza, uz Jasur, vi Duc,
    vi-central Quang, vi-south Phuc, zh-hk Waiming, zh-hk-jyutping Hokyin
"""
_NAME_OF = dict(pair.split() for pair in _NAMES.split(","))

# espeak-ng's variants; the first of each gender is the most natural one.
_WOMEN = ("Annie", "linda", "steph", "Andrea")
_MEN = ("m3", "Michael", "Hugo", "m7")

# plain voice: names of women, names of men
_PEOPLE: dict[str, tuple[str, str]] = {
    "en-us": ("Anna Linda Stephanie Andrea", "Mark Michael Hugh Sam"),
    "en-gb": ("Emily Charlotte Sophie Grace", "Oliver Harry George Arthur"),
    "zh-cn": ("Mei Xiaoyan Lan Jing", "Wei Jun Ming Hao"),
    "zh-hk": ("Kayan Waiyee", "Kaming Chiwai"),
    "hi": ("Priya Ananya", "Arjun Rahul"),
    "es": ("Lucia Carmen", "Pablo Javier"),
    "es-419": ("Valentina Camila", "Mateo Diego"),
    "fr": ("Camille Claire", "Louis Antoine"),
    "ar": ("Layla Mariam", "Omar Khalid"),
    "bn": ("Nusrat Mitali", "Rafiq Sourav"),
    "pt-br": ("Beatriz Larissa", "Thiago Rafael"),
    "pt": ("Ines Leonor", "Duarte Tomas"),
    "ru": ("Olga Natasha", "Dmitri Ivan"),
    "ja": ("Sakura Yui", "Haruto Kenji"),
    "de": ("Lena Katharina", "Felix Jonas"),
    "id": ("Dewi Sari", "Budi Agus"),
    "ko": ("Jiwoo Minseo", "Minjun Hyun"),
    "it": ("Giulia Chiara", "Marco Luca"),
    "tr": ("Elif Zeynep", "Emre Mehmet"),
    "vi": ("Linh Mai", "Minh Tuan"),
}


def _plain(row: str) -> tuple[VoiceInfo, str]:
    key, engine_name, language, accent, tags = (part.strip() for part in row.split("|"))
    voice = VoiceInfo(
        id=key,
        name=_NAME_OF[key],
        languages=tuple(tags.split()),
        gender="male",
        accent=accent,
        description=DESCRIPTION,
        labels={"engine": "espeak-ng", "language": language},
    )
    return voice, engine_name


def _people(plain: VoiceInfo, engine_name: str) -> Iterator[tuple[VoiceInfo, str]]:
    names = _PEOPLE.get(plain.id, ("", ""))
    for gender, given, variants in (
        ("female", names[0].split(), _WOMEN),
        ("male", names[1].split(), _MEN),
    ):
        for name, variant in zip(given, variants, strict=False):
            voice = VoiceInfo(
                id=f"{plain.id}-{name.lower()}",
                name=name,
                languages=plain.languages,
                gender=gender,
                accent=plain.accent,
                description=DESCRIPTION,
                labels=plain.labels,
            )
            yield voice, f"{engine_name}+{variant}"


def _table() -> Iterator[tuple[VoiceInfo, str]]:
    for row in _LANGUAGES.strip().splitlines():
        voice, engine_name = _plain(row)
        yield voice, engine_name
        yield from _people(voice, engine_name)


_TABLE = tuple(_table())
VOICES: tuple[VoiceInfo, ...] = tuple(voice for voice, _ in _TABLE)
ENGINE_NAMES: dict[str, str] = {voice.id: engine_name for voice, engine_name in _TABLE}
