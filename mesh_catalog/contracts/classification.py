"""Which columns are likely to tell of a person: by their names in several languages, and by patterns of their values.

A suggestion is not a decision: it is written as `personal?` or `special?` and counts as personal until somebody
decides. So a wrong suggestion costs a line in a contract, and a missed one may cost a person; where in doubt, suggest.
Pure; keeps no value.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["Suspicion", "ValueEvidence", "suspect_name", "words_of"]


@dataclass(frozen=True, kw_only=True)
class Suspicion:
    """Why a column may be about people."""

    classification: str
    """`personal?` or `special?`."""
    reason: str
    """As a person says it, without a value."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(phrase.split()) for phrase in text.split(","))


_PEOPLE: Final = _words(
    "customer client user person patient member subscriber employee student passenger citizen guest visitor"
    " buyer cardholder holder subject account author driver applicant borrower worker staff kunde kunden"
    " nutzer benutzer mitarbeiter cliente clientes usuario utilisateur salarie utente paciente persona"
    " personne cust usr emp respondent participant voter donor tenant resident learner instructor teacher"
    " doctor physician"
)
_ALONE: Final = _words(
    "customer client user person patient member employee passenger student kunde cliente usuario utilisateur"
)
"""Of them: those that name people even where nothing says id; a `subject` may be a school's."""
_IDENTIFIERS: Final = _words("id ids no nr num number nummer numero key code uuid guid ref handle login")
_WRITTEN: Final = "text that people write"
_NAMES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "an e-mail address": _phrases("email,e mail,mail,emails,correo,courriel,mailaddress,emailaddress"),
    "a telephone number": _phrases(
        "phone,telephone,tel,mobile,cellphone,fax,phonenumber,msisdn,telefon,telefono,telefone,handy,handynummer,"
        "mobil,movil,celular,whatsapp"
    ),
    "a person's name": _phrases(
        "fullname,full name,first name,firstname,last name,lastname,surname,given name,family name,middle name,"
        "maiden name,fname,lname,nombre,nombres,apellido,apellidos,vorname,nachname,familienname,prenom,nom,cognome,"
        "nome,sobrenome,naam,voornaam,achternaam,namn,nickname,username,user name,login,author,screen name"
    ),
    "a network or device address": _phrases(
        "ip,ip address,ipaddress,ip addr,ipv4,ipv6,mac address,device id,deviceid,imei,idfa,gaid,cookie,cookie id,"
        "user agent,session id,fingerprint"
    ),
    "an address": _phrases(
        "address,addr,street,strasse,adresse,anschrift,direccion,calle,rue,endereco,indirizzo,adres,zip,zipcode,"
        "zip code,postcode,postal code,postalcode,plz,cep,codigo postal,code postal,house number,apartment"
    ),
    "a date of birth": _phrases(
        "dob,birth,birthday,birthdate,birth date,date of birth,geburtsdatum,geburtstag,nacimiento,naissance,nascimento,"
        "nascita,born"
    ),
    "an official number of a person": _phrases(
        "ssn,social security,nin,national id,nationalid,passport,passport no,driver license,drivers license,license,"
        "licence,tax id,taxid,vat id,personnummer,bsn,nif,nie,dni,cpf,curp,rut,cedula,steuer id,steuernummer,ausweis,"
        "insurance number,medical record,mrn,nhs number,aadhaar,pan number,rrn,jumin"
    ),
    "an account or card number": _phrases(
        "iban,bic,card number,card no,cardnumber,credit card,creditcard,cc number,cvv,bank account,account number,"
        "account no,kontonummer,kreditkarte,tarjeta,cuenta"
    ),
    _WRITTEN: _phrases(
        "comment,comments,kommentar,comentario,commentaire,message,msg,note,notes,notiz,free text,freetext,feedback,"
        "review,remarks,complaint,biography,bio"
    ),
}
_SPECIAL: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "origin": _phrases("race,ethnicity,ethnic,ethnic group,nationality,skin color,rasse,etnia,ethnie"),
    "belief": _phrases("religion,faith,confession,konfession,religione,political party,politics,union member"),
    "health": _phrases("diagnosis,diagnose,disease,illness,medication,hiv,disability,icd,icd10,diagnostico"),
    "sexual life": _phrases("sexual orientation,sexuality"),
    "genes or body": _phrases("genome,dna,biometric,biometrics,face id,iris scan"),
}
_SCRIPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "an e-mail address": ("이메일", "메일", "メール", "邮箱", "電子郵件", "почта"),
    "a telephone number": ("전화", "휴대폰", "핸드폰", "연락처", "電話", "携帯", "手机", "电话", "телефон"),
    "a person's name": ("이름", "성명", "성함", "氏名", "名前", "姓名", "имя", "фамилия"),
    "an address": ("주소", "우편번호", "住所", "地址", "郵便", "адрес"),
    "a date of birth": ("생년월일", "생일", "生年月日", "出生", "рождения"),
    "an official number of a person": ("주민등록", "주민번호", "여권", "면허번호", "マイナンバー", "身份证", "паспорт"),
    "an account or card number": ("계좌", "카드번호", "口座", "银行卡", "卡号"),
    "an identifier": (
        "고객",
        "회원",
        "환자",
        "사용자",
        "직원",
        "학생",
        "顧客",
        "会員",
        "患者",
        "客户",
        "用户",
        "клиент",
    ),
    _WRITTEN: ("후기", "댓글", "메모", "상담", "コメント", "备注"),
}
_SCRIPTS_SPECIAL: Final[Mapping[str, tuple[str, ...]]] = {
    "origin": ("인종", "국적", "民族", "人種"),
    "belief": ("종교", "宗教", "정당"),
    "health": ("진단", "병명", "질병", "診断", "病名", "诊断"),
}


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name, lower-case and without accents: `customerID` is customer, id."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain.replace("ß", "ss"))
    return tuple(re.findall(r"[a-z]+|\d+", parted.lower()))


def suspect_name(name: str) -> Suspicion | None:
    """What a column's name says; None where it says nothing of people."""
    composed = unicodedata.normalize("NFC", name)
    words = words_of(name)
    for topics, scripts, classification in (
        (_SPECIAL, _SCRIPTS_SPECIAL, "special?"),
        (_NAMES, _SCRIPTS, "personal?"),
    ):
        for topic, phrases in topics.items():
            if topic == _WRITTEN and words and words[-1] in _IDENTIFIERS:
                continue
            if any(_holds(words, phrase) for phrase in phrases):
                return _named(classification, topic)
        for topic, marks in scripts.items():
            if any(mark in composed for mark in marks):
                return _named(classification, topic)
    if _is_name(words):
        return _named("personal?", "a person's name")
    if _is_identifier(words):
        return _named("personal?", "an identifier")
    return None


def _named(classification: str, topic: str) -> Suspicion:
    sort = "is of a special category" if classification == "special?" else "looks like"
    return Suspicion(classification=classification, reason=f"{sort}{':' if 'special' in sort else ''} {topic}")


def _holds(words: tuple[str, ...], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))


def _is_identifier(words: tuple[str, ...]) -> bool:
    """customer_id, user, patient_no; also written as one word, userid."""
    if not words:
        return False
    joined = "".join(words)
    if any(joined == person + end for person in _PEOPLE for end in ("id", "no", "nr", "key", "code", "number")):
        return True
    if not any(word in _PEOPLE for word in words):
        return False
    return words[-1] in _IDENTIFIERS or all(word in _ALONE for word in words)


def _is_name(words: tuple[str, ...]) -> bool:
    """`name`, `customer_name`, `contact_name`; not `product_name`."""
    return "name" in words and all(
        word in _PEOPLE or word in ("name", "contact", "full", "legal", "display") for word in words
    )


# Values ------------------------------------------------------------------------------------------------------------

_EMAIL = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[A-Za-z]{2,}")
_PHONE = re.compile(r"(?=(?:\D*\d){8,15}\D*$)(?:\+|00|\(?0)[\d\s().\-/]{6,22}|\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}")
_SSN = re.compile(r"(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}")
_RRN = re.compile(r"\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])-[1-8]\d{6}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,4})?")
_WORDS_NAME = re.compile(
    r"[A-ZÀ-Þ][a-zà-ÿ'’-]+,? (?:(?:[A-ZÀ-Þ][a-zà-ÿ'’-]*\.?|\([^)\d]*\)?|\"[^\"]*\"|[a-z]{2,3})[ ,]*){1,8}\)?"
)
_KOREAN_NAME = re.compile(
    r"[김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민][가-힣]{1,2}"
)


def _is_ip(text: str) -> bool:
    if not 6 < len(text) < 46 or not ("." in text or ":" in text) or text.count(".") not in (0, 3):
        return False
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    return digits.isascii() and digits.isdigit() and 13 <= len(digits) <= 19 and len(set(digits)) > 1 and _luhn(digits)


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        number = int(digit) * (2 if index % 2 else 1)
        total += number - 9 if number > 9 else number
    return total % 10 == 0


def _is_iban(text: str) -> bool:
    if not _IBAN.fullmatch(text):
        return False
    plain = text.replace(" ", "")
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1


_VALUE_TESTS: Final[Mapping[str, tuple[Callable[[str], bool], float]]] = {
    "an e-mail address": (lambda text: "@" in text and _EMAIL.search(text) is not None, 0.0),
    "an official number of a person": (
        lambda text: _SSN.fullmatch(text) is not None or _RRN.fullmatch(text) is not None,
        0.1,
    ),
    "an IBAN": (_is_iban, 0.1),
    "a card number": (_is_card, 0.5),
    "a network address": (_is_ip, 0.3),
    "a telephone number": (lambda text: _PHONE.fullmatch(text) is not None, 0.3),
}
"""Test of one value, and the share of values above which the column is suspected."""
_NAME_SHARE: Final = 0.6
_TEXT_LENGTH: Final = 30
_TEXT_WORDS: Final = 4.0


@dataclass
class ValueEvidence:
    """Counts over a sample of a column's distinct texts. Keeps no value."""

    sampled: int = 0
    matched: dict[str, int] = field(default_factory=dict)
    names: int = 0
    characters: int = 0
    words: int = 0

    def add(self, texts: Iterable[str]) -> None:
        """Look at more values."""
        for text in texts:
            self.sampled += 1
            self.characters += len(text)
            self.words += text.count(" ") + 1
            short = text[:64]
            for topic, (test, _) in _VALUE_TESTS.items():
                if test(text if topic == "an e-mail address" else short):
                    self.matched[topic] = self.matched.get(topic, 0) + 1
            if len(text) <= 100 and (_KOREAN_NAME.fullmatch(text) or _WORDS_NAME.fullmatch(text)):
                self.names += 1

    def suspect(self, *, distinct_share: float) -> Suspicion | None:
        """What the values say.

        Args:
            distinct_share: Distinct texts by all texts, 0..1: names and free text hardly repeat, categories do.
        """
        if not self.sampled:
            return None
        for topic, (_, share) in _VALUE_TESTS.items():
            if self.matched.get(topic, 0) > share * self.sampled:
                return Suspicion(classification="personal?", reason=f"holds {topic}")
        if distinct_share > 0.3 and self.names > _NAME_SHARE * self.sampled:
            return _named("personal?", "names of people")
        mean_length, mean_words = self.characters / self.sampled, self.words / self.sampled
        if distinct_share > 0.3 and mean_length >= _TEXT_LENGTH and mean_words >= _TEXT_WORDS:
            return Suspicion(classification="personal?", reason="is free text, which may hold anything")
        return None
