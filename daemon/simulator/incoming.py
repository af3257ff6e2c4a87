"""What clients send at server versions 176 to 178: one table of requests and their field lists.

The first field of a request is its number; a `version` field follows where the API kept one. The lists were read
from ib_async's `client.py`, which follows the official client.
"""

import msgspec

from daemon.simulator.codec import SERVER_VERSION, Repeat, Rest, Step, Values, When, integer, number, parse, take
from daemon.simulator.transport import WireError

_CONTRACT = (
    "con_id symbol sec_type expiry strike right multiplier exchange primary_exchange currency local_symbol "
    "trading_class "
)
_CONDITION_FIELDS = {
    1: "conjunction is_more price con_id exchange trigger_method",
    3: "conjunction is_more time",
    4: "conjunction is_more percent",
    5: "conjunction sec_type exchange symbol",
    6: "conjunction is_more volume con_id exchange",
    7: "conjunction is_more change_percent con_id exchange",
}
"""Condition type -> its own fields."""


class Request(msgspec.Struct, frozen=True):
    """One kind of request: its name in logs, fault scripts and the transcript, and its fields."""

    name: str
    steps: tuple[Step, ...] = ()


def _is_combo(values: Values) -> bool:
    return bool(values["sec_type"] == "BAG")


def _has_delta_neutral_contract(values: Values) -> bool:
    return integer(values, "delta_neutral") != 0


def _has_scale(values: Values) -> bool:
    increment = number(values, "scale_price_increment")
    return increment is not None and increment > 0


_DELTA_NEUTRAL = (
    take("delta_neutral"),
    When(_has_delta_neutral_contract, (take("delta_neutral_con_id delta_neutral_delta delta_neutral_price"),)),
)


def _pegs_to(*kinds: str) -> "_OrderTypeTest":
    return _OrderTypeTest(frozenset(kinds))


class _OrderTypeTest(msgspec.Struct, frozen=True):
    """True for orders of these types."""

    kinds: frozenset[str]

    def __call__(self, values: Values) -> bool:
        return values["order_type"] in self.kinds


def _condition_is(kind: int) -> "_ConditionTest":
    return _ConditionTest(kind)


class _ConditionTest(msgspec.Struct, frozen=True):
    """True for conditions of this type."""

    kind: int

    def __call__(self, values: Values) -> bool:
        return integer(values, "condition_type") == self.kind


_FA_PROFILE_UNTIL = 177

_ORDER_TO_PERCENTAGE: tuple[Step, ...] = (
    take(
        "order_id " + _CONTRACT + "sec_id_type sec_id action total_quantity order_type limit_price aux_price tif "
        "oca_group account open_close origin order_ref transmit parent_id block_order sweep_to_fill display_size "
        "trigger_method outside_rth hidden"
    ),
    When(
        _is_combo,
        (
            Repeat(
                "combo_legs",
                (
                    take(
                        "con_id ratio action exchange open_close short_sale_slot designated_location exempt_code",
                    ),
                ),
            ),
            Repeat("order_combo_legs", (take("price"),)),
            Repeat("smart_combo_routing", (take("tag value"),)),
        ),
    ),
    take("shares_allocation discretionary_amount good_after good_till fa_group fa_method fa_percentage"),
)
_ORDER_FROM_MODEL: tuple[Step, ...] = (
    take(
        "model_code short_sale_slot designated_location exempt_code oca_type rule_80a settling_firm all_or_none "
        "min_quantity percent_offset e_trade_only firm_quote_only nbbo_price_cap auction_strategy starting_price "
        "stock_ref_price delta stock_range_lower stock_range_upper override_percentage volatility volatility_type "
        "dn_order_type dn_aux_price"
    ),
    When(
        lambda values: values["dn_order_type"] != "",
        (
            take(
                "dn_con_id dn_settling_firm dn_clearing_account dn_clearing_intent dn_open_close dn_short_sale "
                "dn_short_sale_slot dn_designated_location"
            ),
        ),
    ),
    take(
        "continuous_update reference_price_type trail_stop_price trailing_percent scale_init_size scale_subs_size "
        "scale_price_increment"
    ),
    When(
        _has_scale,
        (
            take(
                "scale_adjust_value scale_adjust_interval scale_profit_offset scale_auto_reset scale_init_position "
                "scale_init_fill scale_random_percent"
            ),
        ),
    ),
    take("scale_table active_start active_stop hedge_type"),
    When(lambda values: values["hedge_type"] != "", (take("hedge_param"),)),
    take("opt_out_smart_routing clearing_account clearing_intent not_held"),
    *_DELTA_NEUTRAL,
    take("algo_strategy"),
    When(lambda values: values["algo_strategy"] != "", (Repeat("algo_params", (take("tag value"),)),)),
    take("algo_id what_if misc_options solicited randomize_size randomize_price"),
    When(
        _pegs_to("PEG BENCH", "PEGBENCH"),
        (take("reference_con_id pegged_decrease pegged_change reference_change reference_exchange"),),
    ),
    Repeat(
        "conditions",
        (
            take("condition_type"),
            *(When(_condition_is(kind), (take(names),)) for kind, names in _CONDITION_FIELDS.items()),
        ),
    ),
    When(lambda values: bool(values["conditions"]), (take("conditions_ignore_rth conditions_cancel"),)),
    take(
        "adjusted_order_type trigger_price limit_price_offset adjusted_stop adjusted_stop_limit adjusted_trailing "
        "adjustable_trailing_unit ext_operator soft_dollar_name soft_dollar_value cash_quantity mifid_decision_maker "
        "mifid_decision_algo mifid_trader mifid_execution_algo dont_use_auto_price is_oms_container "
        "discretionary_up_to_limit use_price_management duration post_to_ats auto_cancel_parent "
        "advanced_error_override manual_order_time"
    ),
    # at 170 and above the tail depends on exchange and order type; nothing of it is used here
    Rest("pegged_tail"),
)

_PLACE_ORDER = (*_ORDER_TO_PERCENTAGE, *_ORDER_FROM_MODEL)
_PLACE_ORDER_176 = (*_ORDER_TO_PERCENTAGE, take("fa_profile"), *_ORDER_FROM_MODEL)

_REQUEST_ID = (take("version req_id"),)
_VERSION = (take("version"),)

REQUESTS: dict[int, Request] = {
    1: Request(
        "reqMktData",
        (
            take("version req_id " + _CONTRACT),
            When(_is_combo, (Repeat("combo_legs", (take("con_id ratio action exchange"),)),)),
            *_DELTA_NEUTRAL,
            take("generic_ticks snapshot regulatory_snapshot options"),
        ),
    ),
    2: Request("cancelMktData", _REQUEST_ID),
    3: Request("placeOrder", _PLACE_ORDER),
    4: Request("cancelOrder", (take("version order_id manual_cancel_time"),)),
    5: Request("reqOpenOrders", _VERSION),
    6: Request("reqAccountUpdates", (take("version subscribe account"),)),
    7: Request("reqExecutions", (take("version req_id client_id account since symbol sec_type exchange side"),)),
    8: Request("reqIds", (take("version count"),)),
    9: Request(
        "reqContractDetails",
        (take("version req_id " + _CONTRACT + "include_expired sec_id_type sec_id issuer_id"),),
    ),
    14: Request("setServerLogLevel", (take("version level"),)),
    15: Request("reqAutoOpenOrders", (take("version auto_bind"),)),
    16: Request("reqAllOpenOrders", _VERSION),
    17: Request("reqManagedAccts", _VERSION),
    20: Request(
        "reqHistoricalData",
        (
            take("req_id " + _CONTRACT + "include_expired end bar_size duration use_rth what_to_show format_date"),
            When(_is_combo, (Repeat("combo_legs", (take("con_id ratio action exchange"),)),)),
            take("keep_up_to_date options"),
        ),
    ),
    25: Request("cancelHistoricalData", _REQUEST_ID),
    49: Request("reqCurrentTime", _VERSION),
    58: Request("reqGlobalCancel", _VERSION),
    59: Request("reqMarketDataType", (take("version data_type"),)),
    61: Request("reqPositions", _VERSION),
    62: Request("reqAccountSummary", (take("version req_id group tags"),)),
    63: Request("cancelAccountSummary", _REQUEST_ID),
    64: Request("cancelPositions", _VERSION),
    71: Request("startApi", (take("version client_id capabilities"),)),
    76: Request("reqAccountUpdatesMulti", (take("version req_id account model ledger_and_nlv"),)),
    77: Request("cancelAccountUpdatesMulti", _REQUEST_ID),
    78: Request("reqSecDefOptParams", (take("req_id symbol fop_exchange sec_type con_id"),)),
    92: Request("reqPnL", (take("req_id account model"),)),
    93: Request("cancelPnL", (take("req_id"),)),
    94: Request("reqPnLSingle", (take("req_id account model con_id"),)),
    95: Request("cancelPnLSingle", (take("req_id"),)),
    99: Request("reqCompletedOrders", (take("api_only"),)),
}
"""Request number -> its field list. What is not here is answered with error 321."""
REQUESTS_176 = REQUESTS | {3: Request("placeOrder", _PLACE_ORDER_176)}
"""The same as clients send it to a server of version 176."""


class Received(msgspec.Struct, frozen=True):
    """One request as it came in."""

    msg_id: int
    name: str
    values: Values


class UnservedRequestError(WireError):
    """A well-formed frame whose request number is not served here."""

    def __init__(self, msg_id: int, req_id: int) -> None:
        super().__init__(f"request {msg_id} is not served by this simulator")
        self.msg_id = msg_id
        self.req_id = req_id


def read_request(payload: bytes, server_version: int = SERVER_VERSION) -> Received:
    """A payload as a request. Raises WireError (malformed) or UnservedRequestError."""
    fields = payload.decode("utf-8", errors="backslashreplace").split("\0")
    fields.pop()
    if not fields:
        raise WireError("an empty frame")
    try:
        msg_id = int(fields[0])
    except ValueError:
        raise WireError(f"the request number is {fields[0]!r}") from None
    request = (REQUESTS if server_version >= _FA_PROFILE_UNTIL else REQUESTS_176).get(msg_id)
    if request is None:
        raise UnservedRequestError(msg_id, _request_id_of_unserved(msg_id, fields))
    try:
        return Received(msg_id, request.name, parse(fields[1:], request.steps))
    except WireError as error:
        raise WireError(f"{request.name}: {error}") from None


_UNVERSIONED = {22, 78, 79, 81, 83, 84, 86, 87, 88, 89, 90, 96, 97, 98, 100, 101, 102, 103, 104}
"""Requests whose second field is already the request id (others carry a version first)."""


def _request_id_of_unserved(msg_id: int, fields: list[str]) -> int:
    place = 1 if msg_id in _UNVERSIONED else 2
    if len(fields) <= place or not fields[place].isascii() or not fields[place].isdigit():
        return -1
    return int(fields[place])
