"""The data register (Ley 25.326) as a page of Markdown: every table, what for, on what grounds, for how long."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from models.kind import BilingualText, SensorKind
from models.kinds import KINDS
from models.migrations.privileges import VERSION_TABLE
from models.tables import METADATA
from models.tables.rider_reports import LONGEST_COMMENT
from services.upkeep.retention import (
    ACCESS_KEPT,
    ACTIONS_KEPT,
    ATTEMPTS_KEPT,
    EVENTS_KEPT,
    HEARTBEATS_KEPT,
    PREDICTIONS_KEPT,
    REJECTED_KEPT,
    RIDER_REPORTS_KEPT,
    SESSIONS_KEPT,
    SMS_CODES_KEPT,
    STOP_PASSAGES_KEPT,
    TIMETABLES_KEPT,
    TRAVEL_TIMES_KEPT,
)

_OPENING = """\
# Registro de datos / Data register

Qué guarda Vigía, para qué, con qué fundamento y por cuánto tiempo (Ley 25.326, arts. 4 y 6): cada tipo de sensor y
cada tabla. Los resúmenes por hora y por día se conservan sin plazo: no contienen datos personales. Los nombres y las
notas de los operadores los ven solamente los operadores; el público ve el rol y la hora. Una nota que nombra a alguien
se quita con `vigia redact` o desde la página de la alerta: el texto se borra; queda quién lo pidió, cuándo y por qué.

*What Vigía keeps, what for, on what grounds and for how long: each kind of sensor and each table. Hourly and daily
summaries are kept without a limit: they hold no personal data. Operators' names and notes are shown to operators only;
the public sees role and time. A note that names somebody is redacted with `vigia redact` or on the alert's page: the
text is erased; who asked, when and why stays.*

Esta página la escribe `vigia register` a partir del programa. *Written by `vigia register` from the program.*
"""
_CIVIL_PROTECTION = "Función de protección civil del municipio"
_TRANSPORT = "Servicio público de transporte"
_NONE = BilingualText("ninguno", "none")
_NO_LIMIT = BilingualText("sin plazo", "without a limit")


@dataclass(frozen=True, slots=True)
class Entry:
    """Data processed for one purpose, and its tables: none where nothing is stored.

    `kept`: a period after the last use, or in words. `fields`: what each column with something of a person holds.
    """

    tables: tuple[str, ...]
    title: BilingualText
    personal: BilingualText
    purpose: BilingualText
    legal_basis: str
    kept: timedelta | BilingualText
    fields: tuple[tuple[str, str], ...] = ()


def _tables_starting(prefix: str) -> tuple[str, ...]:
    return tuple(name for name in METADATA.tables if name.startswith(prefix))


ENTRIES = (
    Entry(
        ("rider_reports",),
        BilingualText("Avisos de pasajeros", "Riders' reports"),
        BilingualText("lo que se escriba en el comentario", "what is written in the comment"),
        BilingualText("Saber qué colectivo no pasó", "Knowing which bus did not come"),
        f"{_TRANSPORT}; no se guarda quién avisa ni dónde está",
        RIDER_REPORTS_KEPT,
        (
            ("`at`", "When it was sent, to the minute"),
            ("`source`", "Through what: onebusaway, page, sms"),
            ("`code`", "What is wrong, in OneBusAway's words"),
            ("`stop_id`, `route_id`, `trip_id`, `service_date`", "Which stop, line and trip"),
            ("`vehicle`, `on_board`", "The bus as the rider read it, and whether they sat in it"),
            ("`comment`", f"The rider's words, at most {LONGEST_COMMENT} characters"),
        ),
    ),
    Entry(
        (),
        BilingualText("Posición de quien busca una parada", "Position of a rider who looks for a stop"),
        BilingualText(
            "dónde está el teléfono, redondeado a unos 100 m", "where the telephone is, rounded to about 100 m"
        ),
        BilingualText("Decir qué paradas hay cerca", "Telling which stops are near"),
        "Consentimiento (Ley 25.326 art. 5): se envía sólo cuando la persona aprieta el botón",
        BilingualText(
            "no se guarda: sirve para una respuesta; no queda en ninguna tabla, dirección ni registro",
            "not kept: it serves one answer; it stands in no table, address or log",
        ),
        (("`lat`, `lon`", "Degrees with three decimals, in the body of `POST /cerca`"),),
    ),
    Entry(
        ("people",),
        BilingualText("Personas con cuenta", "People with an account"),
        BilingualText("nombre, usuario, organismo y cómo prueban quiénes son", "name, login, organisation and proofs"),
        BilingualText("Saber quién puede hacer qué, y quién lo hizo", "Knowing who may do what, and who did it"),
        f"{_CIVIL_PROTECTION}; relación de servicio con quien opera",
        BilingualText(
            f"mientras dure la cuenta y {ACTIONS_KEPT.days} días más, como lo que hizo",
            f"while the account lasts and {ACTIONS_KEPT.days} days more, as what they did",
        ),
        (
            ("`login`, `name`, `organisation_id`, `language`", "What they type, how they are named, where they work"),
            ("`password_hash`, `setup_code_sha256`", "Hashes, from which neither can be read"),
            ("`totp_secret`, `totp_since`, `totp_last_counter`", "The second factor that their telephone shares"),
            ("`oidc_issuer`, `oidc_subject`", "Who they are at the provider by which they sign in"),
            ("`created_at`, `created_by`, `disabled_at`", "From when, by whom and until when"),
        ),
    ),
    Entry(
        ("person_roles",),
        BilingualText("Roles de las personas", "Roles of people"),
        BilingualText("qué puede hacer cada quien y quién se lo dio", "what each may do, and who granted it"),
        BilingualText("Saber quién puede hacer qué", "Knowing who may do what"),
        f"{_CIVIL_PROTECTION}; relación de servicio con quien opera",
        BilingualText("igual que la persona", "as long as the person"),
        (("`role`, `granted_at`, `granted_by`", "Which role, when and by whom"),),
    ),
    Entry(
        ("sessions",),
        BilingualText("Ingresos", "Sessions"),
        BilingualText("cuándo y desde dónde entró cada persona", "when and from where each person signed in"),
        BilingualText(
            "Que cada quien vea y cierre sus ingresos; rastrear un abuso",
            "So that each person sees and ends theirs; tracing misuse",
        ),
        f"{_CIVIL_PROTECTION}; seguridad de los datos (Ley 25.326 art. 9)",
        SESSIONS_KEPT,
        (
            ("`opened_at`, `last_seen_at`, `expires_at`, `revoked_at`", "From when until when"),
            ("`method`, `agent`, `address`", "How they proved who they are, browser and system, network address"),
            ("`token_sha256`", "Hash of the cookie"),
        ),
    ),
    Entry(
        ("login_attempts",),
        BilingualText("Intentos de ingreso fallidos", "Wrong attempts to sign in"),
        BilingualText("usuario o dirección de red", "login or network address"),
        BilingualText("Frenar a quien adivina contraseñas", "Slowing down whoever guesses passwords"),
        f"{_CIVIL_PROTECTION}; seguridad de los datos (Ley 25.326 art. 9)",
        ATTEMPTS_KEPT,
        (("`subject`, `failures`, `last_at`", "Which account or address, how often, when last"),),
    ),
    Entry(
        ("oidc_sign_ins",),
        BilingualText("Ingresos empezados en el proveedor de cuentas", "Sign-ins begun at the identity provider"),
        _NONE,
        BilingualText(
            "Que solo el navegador que empezó pueda terminar", "So that only the browser that began can finish"
        ),
        f"{_CIVIL_PROTECTION}; seguridad de los datos (Ley 25.326 art. 9)",
        ATTEMPTS_KEPT,
        (
            ("`cookie_sha256`, `state`, `nonce`, `code_verifier`", "Random, used once, worthless after ten minutes"),
            ("`alert_id`, `expires_at`", "Which alert is shown afterwards, until when"),
        ),
    ),
    Entry(
        ("second_person_requests",),
        BilingualText("Pedidos que confirma otra persona", "Requests that a second person confirms"),
        BilingualText("quién pidió y quién confirmó", "who asked and who confirmed"),
        BilingualText("Que nadie haga solo lo que no se deshace", "So that nobody does alone what cannot be undone"),
        _CIVIL_PROTECTION,
        ACTIONS_KEPT,
        (("`requested_by`, `decided_by`, `about`, `details`", "Who, about whom and what"),),
    ),
    Entry(
        ("organisations",),
        BilingualText("Organismos", "Organisations"),
        _NONE,
        BilingualText("Saber de qué organismo es cada cuenta", "Knowing to which organisation an account belongs"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
    Entry(
        ("api_keys",),
        BilingualText("Claves de programas", "API keys"),
        BilingualText("el nombre, si es el de una persona", "the name, where it is a person's"),
        BilingualText("Saber qué programa puede hacer qué", "Knowing which program may do what"),
        f"{_CIVIL_PROTECTION}; relación de servicio con quien opera",
        BilingualText(
            f"mientras dure el acceso y {ACCESS_KEPT.days} días más",
            f"while access lasts and {ACCESS_KEPT.days} days more",
        ),
        (
            ("`name`, `roles`", "The key's name, and what may be done with it"),
            ("`token_sha256`", "Hash of the token"),
            ("`created_at`, `created_by`, `expires_at`, `revoked_at`", "From when, by whom and until when"),
            ("`last_used_at`", "When it was used last"),
        ),
    ),
    Entry(
        ("alert_actions",),
        BilingualText("Acciones sobre alertas y sucesos", "Actions on alerts and incidents"),
        BilingualText("el nombre de quien actuó; lo que escriba en la nota", "who acted; what they write in the note"),
        BilingualText("Coordinar la respuesta y revisarla después", "Coordinating the response and reviewing it later"),
        _CIVIL_PROTECTION,
        ACTIONS_KEPT,
        (
            ("`actor`, `action`, `at`", "Who did what, when"),
            ("`note`", "Free text, at most 2,000 characters; may be redacted"),
        ),
    ),
    Entry(
        ("alerts",),
        BilingualText("Alertas", "Alerts"),
        BilingualText("el nombre de quien la tomó, la apartó y la cerró", "who acknowledged, shelved and closed it"),
        BilingualText("Alerta temprana de inundaciones", "Early warning of floods"),
        _CIVIL_PROTECTION,
        BilingualText(
            f"los nombres, {ACTIONS_KEPT.days} días desde el cierre; el resto sin plazo",
            f"the names, {ACTIONS_KEPT.days} days after it closed; the rest without a limit",
        ),
        (("`acknowledged_by`, `shelved_by`, `closed_by`", "An operator's name; later only `operator`, or none"),),
    ),
    Entry(
        ("declarations",),
        BilingualText("Niveles declarados", "Declared levels"),
        BilingualText("el nombre de quien declaró, extendió o retiró", "who declared, extended or withdrew"),
        BilingualText("Probar quién declaró qué, cuándo y por qué", "Proving who declared what, when and why"),
        f"{_CIVIL_PROTECTION}; Ley 27.287 art. 2",
        BilingualText(
            f"los nombres, {ACTIONS_KEPT.days} días desde su fin; el resto sin plazo",
            f"the names, {ACTIONS_KEPT.days} days after its end; the rest without a limit",
        ),
        (
            ("`actor`, `act`, `at`", "Who did what, when; later only `operator`"),
            ("`reason`", "Free text, at most 500 characters"),
        ),
    ),
    Entry(
        ("exercises",),
        BilingualText("Simulacros y capacitación", "Drills and training"),
        BilingualText("el nombre de quien empezó y terminó", "who started and ended it"),
        BilingualText("Ensayar y medir la respuesta", "Practising and measuring the response"),
        _CIVIL_PROTECTION,
        ACTIONS_KEPT,
        (("`started_by`, `ended_by`", "Who started and ended it"),),
    ),
    Entry(
        ("actuator_orders", "actuator_tests"),
        BilingualText("Órdenes a sirenas y carteles", "Orders to sirens and signs"),
        BilingualText("el nombre de quien ordenó", "who ordered"),
        BilingualText("Probar quién hizo sonar qué, y por qué", "Proving who sounded what, and why"),
        f"{_CIVIL_PROTECTION}; Ley 27.287 art. 2",
        ACTIONS_KEPT,
        (("`ordered_by`, `asked_by`, `person_id`", "Who ordered it, or asked for a self-test"),),
    ),
    Entry(
        ("redactions",),
        BilingualText("Notas quitadas", "Redactions"),
        BilingualText("el nombre de quien la quitó", "who redacted it"),
        BilingualText("Rendir cuentas de lo borrado", "Accounting for what was erased"),
        "Ley 25.326 art. 16",
        BilingualText("igual que la acción", "as long as the action"),
        (("`requested_by`, `requested_at`, `reason`", "Who, when and why; not the text"),),
    ),
    Entry(
        ("erasures",),
        BilingualText("Constancia de borrados", "Record of erasures"),
        _NONE,
        BilingualText("Rendir cuentas de lo borrado", "Accounting for what was erased"),
        "Ley 25.326 arts. 4 y 16",
        _NO_LIMIT,
        (("`database_role`, `at`, `erased`, `row_count`", "Which part of the system erased how much"),),
    ),
    Entry(
        ("log_entries", "log_chain", "log_pending"),
        BilingualText("Registro de lo actuado", "Record of what was done"),
        BilingualText(
            "el nombre de quien actuó o leyó datos de una persona; lo que escribió",
            "the name of who acted or read data of a person; what they wrote",
        ),
        BilingualText("Probar después quién supo y decidió qué", "Proving afterwards who knew and decided what"),
        f"{_CIVIL_PROTECTION}; Ley 25.326 art. 9",
        BilingualText(
            f"el contenido, {ACTIONS_KEPT.days} días, o hasta que se borre por ley; la hora, qué pasó y los resúmenes"
            " criptográficos, sin plazo",
            f"the content, {ACTIONS_KEPT.days} days, or until it is erased by law; the time, what happened and the"
            " hashes, without a limit",
        ),
        (
            ("`at`, `what`", "When and what, such as alert.acknowledged"),
            ("`about`, `actor`, `details`", "About what, by whom, and what belongs to it, with a note in free text"),
            ("`salt`, `content_hash`, `hash`", "Of the content, and of the chain; they tell nothing of the content"),
        ),
    ),
    Entry(
        ("service_alerts",),
        BilingualText("Avisos del servicio", "Service alerts"),
        BilingualText("el nombre de quien lo escribió, publicó y terminó", "who wrote, published and ended it"),
        BilingualText("Informar a los pasajeros", "Telling riders"),
        _TRANSPORT,
        BilingualText(
            f"{ACTIONS_KEPT.days} días desde que terminó, o desde que se escribió si quedó en borrador",
            f"{ACTIONS_KEPT.days} days after it ended, or after it was written where it stayed a draft",
        ),
        (("`created_by`, `published_by`, `ended_by`", "Operators' names"),),
    ),
    Entry(
        ("contacts",),
        BilingualText("Destinatarios de avisos", "Contacts"),
        BilingualText("nombre y dirección", "name and address"),
        BilingualText("Avisar a quien debe actuar", "Telling whoever must act"),
        f"{_CIVIL_PROTECTION}; relación de servicio",
        BilingualText(
            f"mientras reciba avisos y {ACCESS_KEPT.days} días más",
            f"while they are told and {ACCESS_KEPT.days} days more",
        ),
        (("`name`, `channel`, `address`", "Who is told, by which channel, where"),),
    ),
    Entry(
        ("person_channels",),
        BilingualText("Canales de las personas", "People's channels"),
        BilingualText(
            "el teléfono, la cuenta de correo o de mensajería, el navegador",
            "the telephone, the account of e-mail or messages, the browser",
        ),
        BilingualText("Avisar a quien está de guardia", "Telling whoever is on duty"),
        f"{_CIVIL_PROTECTION}; relación de servicio con quien está de guardia, que lo carga y lo quita",
        BilingualText(
            f"mientras esté en la lista y {ACCESS_KEPT.days} días más",
            f"while it is on the list and {ACCESS_KEPT.days} days more",
        ),
        (
            ("`person_id`, `channel`, `position`", "Whose channel, of which sort, and when it is tried"),
            ("`address`", "Shown to the person and to who administers people; never logged"),
            ("`created_at`, `tested_at`, `ended_at`", "From when, when it was proved to reach the person, until when"),
            ("`told_of_exercises`", "Whether drills and training may come there"),
        ),
    ),
    Entry(
        ("notice_deliveries",),
        BilingualText("Intentos de avisar a una persona", "Attempts to tell a person"),
        BilingualText(
            "por qué canal se la buscó y si se la alcanzó",
            "by which channel the person was sought, and whether reached",
        ),
        BilingualText("Probar a quién se avisó y a quién no", "Proving who was told and who was not"),
        _CIVIL_PROTECTION,
        BilingualText("igual que el aviso", "as long as the notice"),
        (("`channel`, `attempts`, `outcome`, `trouble`", "What was tried and what came of it, without the address"),),
    ),
    Entry(
        ("sms_codes",),
        BilingualText("Códigos para responder por SMS", "Codes to answer by text message"),
        BilingualText("a quién se mandó y si respondió", "to whom it was sent, and whether they answered"),
        BilingualText("Reconocer un suceso sin internet", "Acknowledging an incident without the Internet"),
        _CIVIL_PROTECTION,
        BilingualText(f"{SMS_CODES_KEPT.days} días desde que vence", f"{SMS_CODES_KEPT.days} days after it ends"),
        (("`person_id`, `incident_id`, `code`, `seen`, `used_at`", "Whose, for what, and when it was used"),),
    ),
    Entry(
        ("notices",),
        BilingualText("Avisos enviados", "Notices"),
        BilingualText("la dirección del destinatario", "the recipient's address"),
        BilingualText("Enviar los avisos y probar que se enviaron", "Sending notices, and proving that they were sent"),
        _CIVIL_PROTECTION,
        ACTIONS_KEPT,
        (
            ("`recipient`, `dedup_key`", "The address as in the contact, or of the person's channel"),
            ("`person_id`", "Who of the rota is called"),
        ),
    ),
    Entry(
        ("shifts", "shift_changes", "handovers"),
        BilingualText("Guardias", "The rota"),
        BilingualText(
            "quién está de guardia y cuándo; quién pidió, aceptó o entregó; lo que escriba en la nota",
            "who is on duty and when; who asked, accepted or handed over; what they write in the note",
        ),
        BilingualText("Saber a quién llamar, y quién sabía qué", "Knowing whom to call, and who knew what"),
        f"{_CIVIL_PROTECTION}; relación de servicio",
        ACTIONS_KEPT,
        (
            ("`person_id`, `instead_of`", "Whose turn it is, and instead of whom"),
            ("`created_by`, `ended_by`, `asked_by`, `accepted_by`, `withdrawn_by`", "Who changed the rota"),
            ("`given_by`, `acknowledged_by`", "Who handed the watch over, and who took it"),
            ("`note`", "Free text, at most 2,000 characters"),
        ),
    ),
    Entry(
        ("escalation_calls", "phone_tree_calls"),
        BilingualText("A quién se llamó por un suceso", "Who was called for an incident"),
        BilingualText("la persona, y si fue alcanzada y contestó", "the person, whether reached, and whether answered"),
        BilingualText(
            "Llamar a quien sigue, y probar a quién se avisó", "Calling the next one, and proving who was told"
        ),
        _CIVIL_PROTECTION,
        ACTIONS_KEPT,
        (
            ("`person_id`, `entry_id`", "Who was called"),
            ("`called_at`, `unreached_at`, `answered_at`, `at`, `answer`", "When, and what came of it"),
            ("`by`, `note`", "Who telephoned, and what was said"),
        ),
    ),
    Entry(
        ("phone_tree",),
        BilingualText("Cadena telefónica", "Phone tree"),
        BilingualText("nombre, función y número", "name, function and number"),
        BilingualText("Llamar a quien debe actuar", "Telephoning whoever must act"),
        f"{_CIVIL_PROTECTION}; relación de servicio",
        BilingualText(
            f"mientras esté en la cadena y {ACCESS_KEPT.days} días más",
            f"while they stand in it and {ACCESS_KEPT.days} days more",
        ),
        (("`name`, `function`, `number`", "Who is telephoned, for what, and where"),),
    ),
    Entry(
        ("escalations", "escalation_steps"),
        BilingualText("Escalamientos de sucesos", "Escalations of incidents"),
        _NONE,
        BilingualText("Que alguien responda por cada suceso", "That somebody answers for each incident"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
    Entry(
        ("rejected_messages",),
        BilingualText("Mensajes rechazados", "Rejected messages"),
        BilingualText("lo que haya puesto quien lo envió", "whatever the sender put there"),
        BilingualText("Corregir aparatos sin perder mediciones", "Mending devices without losing readings"),
        _CIVIL_PROTECTION,
        REJECTED_KEPT,
        (("`topic`, `payload`, `detail`", "The message byte for byte, for operators only"),),
    ),
    Entry(
        ("rejection_counts",),
        BilingualText("Recuento de rechazos", "Counts of rejections"),
        _NONE,
        BilingualText("Notar qué aparato envía de más", "Noticing which device sends too much"),
        _CIVIL_PROTECTION,
        REJECTED_KEPT,
    ),
    Entry(
        ("postponed_messages",),
        BilingualText("Mensajes en espera", "Postponed messages"),
        BilingualText("lo que haya puesto quien lo envió", "whatever the sender put there"),
        BilingualText("Que un aparato no demore a los demás", "So that one device delays no other"),
        _CIVIL_PROTECTION,
        BilingualText("hasta procesarlos, un millón a lo sumo", "until they are processed, a million at most"),
        (("`topic`, `payload`", "The message byte for byte; nobody is shown it"),),
    ),
    Entry(
        (
            *("incidents", "transitions", "rules", "subject_states", "attention", "declaration_warnings"),
            "exercise_steps",
            *("forecast_models", "learning_outcomes"),
        ),
        BilingualText("Sucesos, reglas, estados y cambios de color", "Incidents, rules, states and transitions"),
        _NONE,
        BilingualText("Alerta temprana de inundaciones", "Early warning of floods"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
    Entry(
        (
            *("configuration", "municipalities", "basins", "barrios", "stations", "devices", "actuators"),
            *("device_memories", "sequence_gaps"),
        ),
        BilingualText("La ciudad y sus aparatos", "The city and its devices"),
        _NONE,
        BilingualText("Saber qué se mide y dónde", "Knowing what is measured and where"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
    Entry(
        ("events",),
        BilingualText("Novedades en vivo", "Live events"),
        _NONE,
        BilingualText("Mantener al día las pantallas", "Keeping screens up to date"),
        f"{_CIVIL_PROTECTION}; sin nombres ni notas",
        EVENTS_KEPT,
    ),
    Entry(
        ("heartbeats",),
        BilingualText("Señales de vida de los procesos", "Heartbeats"),
        _NONE,
        BilingualText("Notar qué proceso se detuvo", "Noticing which process stopped"),
        _CIVIL_PROTECTION,
        HEARTBEATS_KEPT,
    ),
    Entry(
        ("canaries",),
        BilingualText("La última lectura de prueba de cada carril", "The newest test message of each lane"),
        _NONE,
        BilingualText("Notar que las lecturas no llegan", "Noticing that readings do not arrive"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
    Entry(
        ("last_backup",),
        BilingualText("La última copia de seguridad", "The newest backup"),
        _NONE,
        BilingualText("Notar que faltan copias", "Noticing that backups are missing"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
    Entry(
        _tables_starting("timetable_"),
        BilingualText("Horarios", "Timetables"),
        _NONE,
        BilingualText("Informar a los pasajeros", "Telling riders"),
        f"{_TRANSPORT}; datos públicos",
        BilingualText(
            f"{TIMETABLES_KEPT.days} días después de su reemplazo; los tramos, sin plazo",
            f"{TIMETABLES_KEPT.days} days after their replacement; links, without a limit",
        ),
    ),
    Entry(
        ("vehicle_outlooks", "expected_journeys"),
        BilingualText("Próximas llegadas", "Predictions"),
        _NONE,
        BilingualText("Informar a los pasajeros", "Telling riders"),
        f"{_TRANSPORT}; se sigue al vehículo, sin dato alguno de quien conduce",
        PREDICTIONS_KEPT,
    ),
    Entry(
        ("stop_visits",),
        BilingualText("Pasos por las paradas", "Stop passages"),
        _NONE,
        BilingualText("Informar a los pasajeros", "Telling riders"),
        f"{_TRANSPORT}; se sigue al vehículo, sin dato alguno de quien conduce",
        STOP_PASSAGES_KEPT,
    ),
    Entry(
        ("link_history", "estimate_scores"),
        BilingualText("Tiempos de viaje y aciertos", "Travel times and accuracy"),
        _NONE,
        BilingualText("Estimar llegadas y publicar cuánto se acierta", "Predicting arrivals, publishing how well"),
        _TRANSPORT,
        TRAVEL_TIMES_KEPT,
    ),
    Entry(
        ("transit_trust",),
        BilingualText("Peso de cada fuente", "Source weights"),
        _NONE,
        BilingualText("Estimar llegadas", "Predicting arrivals"),
        _TRANSPORT,
        _NO_LIMIT,
    ),
    Entry(
        (VERSION_TABLE,),
        BilingualText("Versión del esquema", "Version of the schema"),
        _NONE,
        BilingualText("Actualizar sin perder datos", "Upgrading without loss"),
        _CIVIL_PROTECTION,
        _NO_LIMIT,
    ),
)
"""Every table but the readings of the kinds and their kept hours, which `_kind_section` describes."""


def register_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_OPENING, *map(_kind_section, KINDS), *map(_section, ENTRIES)])


def _kind_section(kind: SensorKind) -> str:
    keeping = kind.retention
    personal = BilingualText("sí", "yes") if keeping.personal else BilingualText("no", "no")
    return _table(
        f"## {kind.title.es} / {kind.title.en} (`{kind.name}`)",
        [
            ("Datos personales / *Personal data*", _both(personal)),
            ("Finalidad / *Purpose*", _both(keeping.purpose)),
            ("Fundamento / *Legal basis*", keeping.legal_basis),
            ("Plazo de las lecturas / *Readings are kept*", f"{keeping.raw_days} días / *days*"),
        ],
        [(f"`{name}`", kind.payload.model_fields[name].description or "") for name in kind.columns],
    )


def _section(entry: Entry) -> str:
    names = ", ".join(f"`{name}`" for name in entry.tables) or "sin tabla / no table"
    kept = f"{_days(entry.kept)} / *days*" if isinstance(entry.kept, timedelta) else _both(entry.kept)
    return _table(
        f"## {entry.title.es} / {entry.title.en} ({names})",
        [
            ("Datos personales / *Personal data*", _both(entry.personal)),
            ("Finalidad / *Purpose*", _both(entry.purpose)),
            ("Fundamento / *Legal basis*", entry.legal_basis),
            ("Plazo / *Kept*", kept),
        ],
        entry.fields,
    )


def _days(period: timedelta) -> str:
    return f"{period.days} días"


def _both(words: BilingualText) -> str:
    return f"{words.es} / *{words.en}*"


def _table(heading: str, facts: Iterable[tuple[str, str]], fields: Iterable[tuple[str, str]]) -> str:
    lines = [heading, "", "| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in facts), ""]
    if described := [f"| {name} | {meaning} |" for name, meaning in fields]:
        lines += ["| Campo / *Field* | Qué es / *What it is* |", "|---|---|", *described, ""]
    return "\n".join(lines)
