"""Words that change what a name means: `email` is an address, `email_sent_count` is none.

In a compound the last word says what it is, so the words behind a term decide, and a few in front of it.
"""

from typing import Final


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KEEPS: Final = words(
    """
    address addr number num nr no text txt str string value val raw clean cleaned normalized normalised
    formatted canonical old new current previous prev primary secondary main alt alternate alternative other
    home work office business private personal mobile daytime evening billing shipping delivery invoice
    hash hashed md5 sha sha1 sha256 encrypted enc masked plain plaintext decrypted full complete
    en de fr es it pt nl i ii iii a b x
    """
)
"""Behind a term: it is still the thing itself (`phone_home`, `email_hash`, `address_2`). Digits count among them."""

ABOUT: Final = words(
    """
    id ids key fk pk sk uuid guid ref count counts cnt counter size length len total sum avg rate ratio pct percent
    score rank level index idx position order sequence seq limit max min quota
    flag is has status state valid invalid validity verified unverified confirmed confirmation verification optin
    optout subscribed unsubscribed enabled disabled active required allowed blocked bounced deleted missing exists
    known missing null check checked
    type types kind class category group segment format version model brand make vendor provider carrier
    operator network domain host scheme language locale timezone zone region country
    date datetime time timestamp ts day week month year at on by since until created updated modified changed sent
    received opened clicked delivered expires expired expiry seconds minutes hours days duration ttl age lag
    campaign template subject body message content title header footer list queue job batch event log source
    target channel medium preference preferences consent policy rule rules settings config notification
    notifications alert alerts reminder frequency cost price fee volume usage quality reason error response
    request result label labels description desc comment note notes file path page link image icon color colour
    app application service server client software program plan design feature theme box book range prefix suffix
    mask pattern regex ratio code name attempts retries resets changes failures
    """
)
"""Behind a term: it is a fact about the thing (`email_verified`, `ip_version`, `address_id`), and not the thing."""

ASKS: Final = words("is has have had was can may must should did does allow allows accept accepts without")
"""In front of a term: a question about the thing (`has_passport`)."""

COUNTS: Final = words(
    "num nb nbr n cnt count total sum avg average mean median min max pct percent rate ratio number distinct"
)
"""In front of a term: a measure of many (`num_emails`), where the thing itself is none."""

PERSONS: Final = words(
    """
    customer cust client contact person people user member subscriber employee emp staff worker manager mgr
    supervisor owner holder cardholder accountholder applicant candidate patient doctor physician nurse student
    pupil teacher tutor parent mother father spouse partner child guardian relative kin emergency beneficiary
    recipient sender addressee consignee payer payee borrower debtor creditor tenant landlord guest visitor
    passenger driver rider traveler traveller buyer purchaser shopper donor donator author signer signatory witness
    attendee participant insured claimant policyholder agent salesperson salesman rep representative billing
    shipping delivery legal maiden birth kunde kunden mitarbeiter patienten cliente empleado client salarie
    """
)
"""Whose name it is: `customer_name`, and `name` in a table `customers`."""

ORGANISATIONS: Final = words(
    """
    company organisation organization org business vendor supplier merchant store shop branch warehouse office
    site facility plant hotel restaurant station airport port school hospital clinic bank server host gateway
    proxy router support helpdesk product brand
    """
)
"""Whose it is in front of a term, if it is nobody's: `store_phone` is possible, `phone` is likely."""

IN_FRONT: Final = words("name ship bill usr login last first")
"""Further words by which names that were written together are taken apart."""
