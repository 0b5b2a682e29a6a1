"""The one table of what is looked for: names, types, and the shapes of values that say so.

A term is words as `authz.labels.names` takes a name apart. Accents and capitals are gone before; plurals in `s` count, too.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from authz.labels.categories import Category
from authz.labels.shapes import Shape
from authz.labels.types import Holds

_WORDS: Final = frozenset({Holds.TEXT, Holds.BYTES, Holds.DOCUMENT, Holds.UNKNOWN})
_DIGITS: Final = _WORDS | {Holds.INTEGER, Holds.NUMBER}
_DATES: Final = _DIGITS | {Holds.DATE, Holds.TIME}
_PLACES: Final = _DIGITS | {Holds.PLACE}
_ADDRESSES: Final = _WORDS | {Holds.ADDRESS, Holds.INTEGER}
_ANY_ID: Final = _DIGITS | {Holds.UUID}

Term = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`noun` completes "looks like the name of …" for people.

    `likely` terms are likely by themselves, `possible` ones have other common meanings; `whole` ones count only as
    the whole name, behind a person at most.
    """

    category: Category
    noun: str
    holds: frozenset[Holds]
    """Of any other type the name means something else: an integer is no e-mail address."""
    shortest: int = 2
    """Characters of the shortest value that says something: a text of one is a flag."""
    likely: frozenset[Term]
    possible: frozenset[Term] = frozenset()
    whole: frozenset[Term] = frozenset()
    keeps: frozenset[str] = frozenset()
    """Words behind a term that change nothing here, though they do elsewhere."""
    not_behind: frozenset[str] = frozenset()
    """Words straight in front of a term that make it another one."""
    types: frozenset[Holds] = frozenset()
    """Types that say so by themselves."""
    shapes: tuple[Shape, ...] = ()
    exhaustive: bool = False
    """Whether every such value has one of the shapes, so that a sample without any speaks against the name."""
    is_measure: bool = False
    """Whether a sum or a mean of it is one, too."""
    of_persons: bool = False
    """Whether `name` counts behind a person, and in a table of persons."""


def terms(text: str) -> frozenset[Term]:
    """One term a comma."""
    return frozenset(tuple(each.split()) for each in text.split(",") if each.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        category=Category.CREDENTIAL,
        noun="a password, key or token",
        holds=_DIGITS | {Holds.UUID},
        likely=terms(
            """password, passwd, passphrase, pwd, passwort, kennwort, mot de passe, motdepasse, contrasena,
            senha, wachtwoord, haslo, parola, secret, client secret, shared secret, private key, secret key,
            api key, apikey, access key, encryption key, signing key, ssh key, access token, refresh token,
            auth token, api token, bearer token, session token, id token, oauth token, csrf token, reset
            token, security answer, secret answer, otp, totp, pin code, pincode, recovery code, backup code"""
        ),
        possible=terms(
            """token, pin, salt, jwt, session id, sessionid, session key, license key, credential, auth"""
        ),
        keeps=_words("salt digest bcrypt crypt"),
        shapes=(Shape.SECRET,),
    ),
    Rule(
        category=Category.PAYMENT_CARD,
        noun="a payment card",
        holds=_DATES,
        likely=terms(
            """card number, card num, card no, credit card, creditcard, debit card, cc number, cc num, ccnum, cc
            no, card pan, pan number, cardholder, card holder, cvv, cvc, card expiry, card expiration, card
            exp, cc exp, cc expiry, card expiry date, card expiration date, kreditkarte, kartennummer, carte
            bancaire, carte credit, numero carte, tarjeta credito, numero tarjeta, carta credito, cartao
            credito"""
        ),
        possible=terms("pan, card last 4, last 4, last four, card"),
        whole=terms("cc"),
        keeps=_words("month year date"),
        shapes=(Shape.CARD,),
    ),
    Rule(
        category=Category.BANK_ACCOUNT,
        noun="a bank account",
        holds=_DIGITS,
        likely=terms(
            """iban, bank account, bankaccount, account number, account num, account no, account nr, acct number,
            acct num, acct no, acct nr, acc no, acc number, routing number, aba number, aba routing, sort
            code, sortcode, bank routing, kontonummer, konto nr, kontonr, bankverbindung, bankleitzahl, blz,
            numero compte, compte bancaire, cuenta bancaria, numero cuenta, clabe, conta bancaria, conto
            corrente, rekeningnummer, bsb, ifsc, wallet address"""
        ),
        possible=terms(
            """bic, swift, swift code, account balance, acct balance, acctbal, account, acct, konto, compte,
            cuenta, wallet, bank, aba, rib"""
        ),
        keeps=_words("code"),
        shapes=(Shape.IBAN, Shape.BIC),
    ),
    Rule(
        category=Category.NATIONAL_ID,
        noun="a number of an official document",
        holds=_DIGITS,
        likely=terms(
            """ssn, social security, social security number, social insurance, national id, nationalid, national
            identifier, national insurance, nino, tax id, taxid, taxpayer id, tax number, itin, passport,
            passport number, passport no, passport id, passport code, driver license, drivers license, driver
            licence, driving licence, driving license, driverslicense, license plate, licence plate, number
            plate, identity card, identity number, id card, id number, personal id, personal number,
            personnummer, personalausweis, ausweis, steuernummer, steuer id, steuerid,
            sozialversicherungsnummer, reisepass, kfz kennzeichen, insee, numero securite sociale, passeport,
            dni, nif, pasaporte, cedula, curp, cpf, codice fiscale, codicefiscale, bsn, burgerservicenummer,
            pesel, aadhaar, aadhar, nhs number, nhs no, ahv, hetu, voter id, visa number, immigration number"""
        ),
        possible=terms(
            """sin, nin, tin, nie, rfc, rut, avs, license number, licence number, license no, nir, rg,
            rijksregisternummer, vin"""
        ),
        shapes=(
            Shape.US_SSN,
            Shape.FR_NIR,
            Shape.IT_CODICE,
            Shape.CH_AHV,
            Shape.CN_RIC,
            Shape.FI_HETU,
            Shape.ES_DNI,
            Shape.BR_CPF,
            Shape.PL_PESEL,
            Shape.NL_BSN,
            Shape.DE_IDNR,
            Shape.IN_AADHAAR,
            Shape.GB_NHS,
        ),
    ),
    Rule(
        category=Category.HEALTH,
        noun="somebody's health",
        shortest=1,
        holds=_DATES | {Holds.BOOLEAN},
        likely=terms(
            """diagnosis, diagnose, diagnoses, diagnostic, medical record, medical record number, mrn, medical
            history, medical condition, health condition, blood type, blood group, blutgruppe, disability,
            disabilities, handicap, behinderung, icd 10, icd 9, medication, medications, prescription,
            allergy, allergies, allergie, vaccination, pregnancy, pregnant, hiv, symptom, symptoms, krankheit,
            maladie, enfermedad, treatment plan, patient condition"""
        ),
        possible=terms(
            """icd, treatment, bmi, body weight, body height, heart rate, blood pressure, smoker"""
        ),
        keeps=_words("code description desc text name date status flag type"),
    ),
    Rule(
        category=Category.TRAIT,
        noun="a personal trait",
        shortest=1,
        holds=_DIGITS | {Holds.BOOLEAN},
        likely=terms(
            """gender, sex, geschlecht, sexe, sexo, genero, sesso, geslacht, ethnicity, ethnic group, ethnic
            origin, ethnie, race ethnicity, religion, religious affiliation, konfession, nationality,
            nationalitaet, staatsangehorigkeit, nationalite, nacionalidad, nazionalita, citizenship, marital
            status, civil status, familienstand, etat civil, estado civil, sexual orientation, gender
            identity, pronouns, political party, political affiliation, political opinion, union membership,
            trade union, criminal record, biometric, fingerprint image, face embedding, face template, voice
            print, genetic, immigration status, veteran status"""
        ),
        possible=terms("photo, picture, portrait, selfie, avatar"),
        whole=terms("race, age, alter, salutation, anrede, civilite"),
        keeps=_words("code type description desc text name group identity"),
    ),
    Rule(
        category=Category.PAY,
        noun="somebody's pay",
        holds=_DIGITS,
        likely=terms(
            """salary, salaries, wage, wages, payroll, base pay, gross pay, net pay, annual pay, hourly pay, pay
            rate, hourly rate, compensation, remuneration, annual income, monthly income, household income,
            yearly income, gehalt, lohn, bruttogehalt, nettogehalt, vergutung, salaire, salario, sueldo,
            stipendio, remuneracao, salaris, wynagrodzenie, severance, stock options, credit score, fico, fico
            score, schufa, net worth"""
        ),
        possible=terms(
            """income, bonus, einkommen, revenu, renta, pension, credit limit, credit rating, debt"""
        ),
        keeps=_words(
            """amount usd eur gbp local base gross net annual monthly hourly year month total rate min max band"""
        ),
        is_measure=True,
    ),
    Rule(
        category=Category.EMAIL,
        noun="an e-mail address",
        shortest=6,
        holds=_WORDS,
        likely=terms(
            """email, e mail, email address, email addr, e mail address, mail address, mail addr, mailaddress,
            emailid, email id, mail id, mailid, courriel, adresse mail, adresse electronique, correo, correo
            electronico, correo e, posta elettronica, eposta, epost, sahkoposti, emailadresse, mailadresse,
            электронная почта, почта"""
        ),
        possible=terms("mail, mails, reply to, replyto"),
        shapes=(Shape.EMAIL, Shape.TEXT_WITH_EMAIL),
        exhaustive=True,
    ),
    Rule(
        category=Category.PHONE,
        noun="a phone number",
        holds=_DIGITS,
        likely=terms(
            """phone, telephone, tel, telno, tel no, cell phone, cellphone, mobile phone, mobile number, mobile
            no, mobile num, cell number, phone number, phone no, phoneno, msisdn, whatsapp, fax, telefax, fax
            number, telefon, telefonnummer, rufnummer, handy, handynummer, mobiltelefon, mobilnummer, numero
            telephone, telefono, movil, celular, cellulare, telefone, telefoon, telefoonnummer, komorka,
            телефон"""
        ),
        possible=terms("mobile, cell, landline, mob, mobil, gsm, portable, imsi"),
        whole=terms("ph"),
        shapes=(Shape.PHONE, Shape.NATIONAL_PHONE),
    ),
    Rule(
        category=Category.PERSON_NAME,
        noun="a person's name",
        shortest=1,
        holds=_WORDS,
        likely=terms(
            """first name, firstname, fname, given name, givenname, forename, last name, lastname, lname,
            surname, family name, familyname, middle name, middlename, mname, maiden name, full name,
            fullname, nickname, legal name, preferred name, name on card, vorname, nachname, familienname,
            geburtsname, prenom, nom famille, nom complet, nom naissance, apellido, apellidos, nombre
            completo, primer nombre, cognome, sobrenome, nome completo, voornaam, achternaam, imie, nazwisko,
            efternamn, fornamn, etunimi, sukunimi, имя, фамилия, отчество, contact person, ansprechpartner,
            kundenname"""
        ),
        possible=terms(
            """initials, middle initial, display name, displayname, signature, alias, nom client, manager, clerk,
            author, salesperson, sales rep, assignee, created by, updated by, modified by, approved by"""
        ),
        of_persons=True,
    ),
    Rule(
        category=Category.BIRTH,
        noun="a date or place of birth",
        holds=_DATES,
        likely=terms(
            """dob, birth date, birthdate, date of birth, date birth, birthday, birth day, bday, birth year, year
            of birth, birth month, yob, born, born on, birth place, birthplace, place of birth, birth city,
            birth country, geburtsdatum, geburtstag, geburtsort, geb datum, gebdat, date naissance, naissance,
            lieu naissance, fecha nacimiento, fecha de nacimiento, nacimiento, data nascita, data di nascita,
            data nascimento, data de nascimento, geboortedatum, data urodzenia, fodelsedatum, дата рождения"""
        ),
        possible=terms("death date, date of death, deathdate, age group, age band"),
        keeps=_words("date year month day city country time at on"),
    ),
    Rule(
        category=Category.POSTAL_ADDRESS,
        noun="a postal address",
        holds=_DIGITS,
        likely=terms(
            """address, addr, street, street address, street name, street number, house number, house no, address
            line, addressline, addr line, postal address, mailing address, home address, zip, zip code,
            zipcode, postcode, post code, postal code, postalcode, po box, pobox, anschrift, adresse, strasse,
            hausnummer, plz, postleitzahl, wohnort, rue, code postal, codepostal, direccion, calle, codigo
            postal, indirizzo, endereco, adres, straat, huisnummer, ulica, kod pocztowy, адрес"""
        ),
        possible=terms(
            """city, town, apartment, apt, suite, building, postal, ort, stadt, ville, ciudad, cidade, citta, cep"""
        ),
        not_behind=_words(
            """email mail ip mac web url http site memory contract token peer remote source src dst host net
            network bluetooth"""
        ),
        keeps=_words("code name line city"),
    ),
    Rule(
        category=Category.LOCATION,
        noun="where somebody is",
        holds=_PLACES,
        likely=terms(
            """latitude, longitude, lat lon, lat lng, lat long, latlong, latlng, gps, geo location, geolocation,
            coordinates, geohash"""
        ),
        possible=terms("lat, lon, lng, geo, geom, geopoint, geo point, coords, breitengrad, laengengrad"),
        types=frozenset({Holds.PLACE}),
        keeps=_words("latitude longitude lat lon lng"),
    ),
    Rule(
        category=Category.NETWORK_ADDRESS,
        noun="a network address",
        holds=_ADDRESSES,
        likely=terms(
            """ip, ip address, ip addr, ipaddress, ipaddr, ipv 4, ipv 6, client ip, remote addr, remote address,
            remote ip, x forwarded for, forwarded for, mac address, mac addr, macaddress, macaddr, adresse ip,
            direccion ip"""
        ),
        possible=terms("mac, inet, peer address, source address, src addr, dst addr"),
        types=frozenset({Holds.ADDRESS}),
        shapes=(Shape.IP, Shape.MAC),
        exhaustive=True,
    ),
    Rule(
        category=Category.DEVICE,
        noun="what tells a device or a browser apart",
        holds=_ANY_ID,
        likely=terms(
            """device id, deviceid, device identifier, device uuid, device token, imei, meid, idfa, idfv, gaid,
            aaid, android id, advertising id, advertiser id, ad id, push token, cookie id, cookieid, browser
            id, browser fingerprint, device fingerprint, fingerprint, udid, visitor id, anonymous id, client
            cookie, serial device"""
        ),
        possible=terms(
            """user agent, useragent, cookie, cookies, tracking id, device serial, serial number"""
        ),
        shapes=(Shape.IMEI,),
    ),
    Rule(
        category=Category.USER_NAME,
        noun="a user name",
        holds=_WORDS,
        likely=terms(
            """username, user name, login name, loginname, screen name, screenname, twitter handle, social
            handle, benutzername, nom utilisateur, usuario, nome utente, gebruikersnaam, skype, telegram,
            linkedin url, facebook url, instagram"""
        ),
        possible=terms(
            """login, userid, handle, upn, user principal name, samaccountname, actor, twitter, linkedin,
            facebook"""
        ),
        keeps=_words("name"),
    ),
)


def vocabulary(rules: Iterable[Rule] = RULES) -> frozenset[str]:
    """Every word of every term."""
    return frozenset(
        word for rule in rules for term in (*rule.likely, *rule.possible, *rule.whole) for word in term
    )
