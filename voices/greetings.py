"""What a voice says when somebody tries it: one plain sentence in its own language."""

from __future__ import annotations

# Any voice can say digits in its own language.
COUNTING = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."

GREETINGS = {
    "ar": "مرحبا، هكذا يبدو صوتي عندما أقرأ لك نصا.",
    "bg": "Здравейте, така звучи гласът ми, когато чета.",
    "ca": "Hola, així sona la meva veu quan llegeixo.",
    "cmn": "你好，这就是我朗读文字时的声音。",
    "cs": "Dobrý den, takhle zní můj hlas, když čtu.",
    "da": "Hej, sådan lyder min stemme, når jeg læser højt.",
    "de": "Guten Tag, so klingt meine Stimme, wenn ich vorlese.",
    "el": "Γεια σας, έτσι ακούγεται η φωνή μου όταν διαβάζω.",
    "en": "Hello, this is how I sound when I read a text to you.",
    "eo": "Saluton, tiel sonas mia voĉo kiam mi legas.",
    "es": "Hola, así suena mi voz cuando leo un texto.",
    "et": "Tere, niimoodi kõlab mu hääl, kui ma loen.",
    "eu": "Kaixo, honela entzuten da nire ahotsa irakurtzen dudanean.",
    "fa": "سلام، صدای من هنگام خواندن این گونه است.",
    "fi": "Hei, tältä ääneni kuulostaa, kun luen tekstiä.",
    "fr": "Bonjour, voici ma voix quand je lis un texte.",
    "he": "שלום, כך נשמע הקול שלי כשאני קורא.",
    "hi": "नमस्ते, जब मैं पढ़ता हूँ तो मेरी आवाज़ ऐसी सुनाई देती है।",
    "hr": "Dobar dan, ovako zvuči moj glas kad čitam.",
    "hu": "Jó napot, így szól a hangom, amikor olvasok.",
    "id": "Halo, beginilah suara saya ketika membaca.",
    "it": "Ciao, questa è la mia voce quando leggo un testo.",
    "ja": "こんにちは、文章を読むとこのような声になります。",
    "ko": "안녕하세요, 글을 읽을 때 제 목소리는 이렇습니다.",
    "lt": "Laba diena, taip skamba mano balsas, kai skaitau.",
    "lv": "Labdien, šādi skan mana balss, kad es lasu.",
    "ms": "Helo, beginilah bunyi suara saya apabila membaca.",
    "nb": "Hei, slik høres stemmen min ut når jeg leser.",
    "nl": "Hallo, zo klinkt mijn stem als ik voorlees.",
    "pl": "Dzień dobry, tak brzmi mój głos, kiedy czytam.",
    "pt": "Olá, é assim que soa a minha voz quando leio.",
    "ro": "Bună ziua, așa sună vocea mea când citesc.",
    "ru": "Здравствуйте, так звучит мой голос, когда я читаю.",
    "sk": "Dobrý deň, takto znie môj hlas, keď čítam.",
    "sl": "Dober dan, tako zveni moj glas, ko berem.",
    "sr": "Добар дан, овако звучи мој глас док читам.",
    "sv": "Hej, så här låter min röst när jag läser.",
    "sw": "Habari, hivi ndivyo sauti yangu inavyosikika nikisoma.",
    "ta": "வணக்கம், நான் படிக்கும் போது என் குரல் இப்படி ஒலிக்கும்.",
    "tr": "Merhaba, okurken sesim böyle duyuluyor.",
    "uk": "Добрий день, так звучить мій голос, коли я читаю.",
    "vi": "Xin chào, đây là giọng của tôi khi đọc văn bản.",
    "yue": "你好，呢個就係我讀文字嘅聲音。",
    "zh": "你好，这就是我朗读文字时的声音。",
}


def greeting(language: str) -> str:
    """The sentence for a BCP 47 tag; counting to ten where we have none."""
    return GREETINGS.get(language.partition("-")[0], COUNTING)
