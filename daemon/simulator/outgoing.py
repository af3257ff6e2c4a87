"""What the simulator says at server versions 176 to 178: one table of messages and their field lists.

`name=default` gives the value that TWS sends when there is nothing to say; `name<177=` is a field of servers below
177, `name>=178=` of those from 178 on. ib_async's `decoder.py` is the judge of
every list: a wrong count never crashes it, it logs an error and drops the message.
"""

from daemon.simulator.codec import UNSET_DOUBLE, UNSET_INTEGER, Outgoing
from daemon.simulator.transport import framed

_CONTRACT = "con_id symbol sec_type expiry strike right multiplier exchange currency local_symbol trading_class "
_UNSET = UNSET_DOUBLE
_MARGINS = " ".join(
    f"{name}_{when}={_UNSET}" for when in ("before", "change", "after") for name in ("init", "maint", "equity")
)

TICK_PRICE = Outgoing(1, "req_id tick_type price size attributes=0", version=6)
TICK_SIZE = Outgoing(2, "req_id tick_type size", version=6)
ORDER_STATUS = Outgoing(
    3,
    "order_id status filled remaining average_price perm_id parent_id=0 last_price client_id why_held= "
    "market_cap_price=0",
)
ERROR = Outgoing(4, "req_id code text advanced_reject=", version=2)
OPEN_ORDER = Outgoing(
    5,
    "order_id " + _CONTRACT + "action total_quantity order_type limit_price aux_price=0 tif oca_group= account "
    "open_close= origin=0 order_ref client_id perm_id outside_rth=0 hidden=0 discretionary_amount=0 good_after= "
    "skipped= fa_group= fa_method= fa_percentage= fa_profile<177= model_code= good_till= rule_80a= percent_offset= "
    "settling_firm= short_sale_slot=0 designated_location= exempt_code=-1 auction_strategy=0 starting_price= "
    "stock_ref_price= delta= stock_range_lower= stock_range_upper= display_size=0 block_order=0 sweep_to_fill=0 "
    "all_or_none=0 min_quantity= oca_type=3 e_trade_only=0 firm_quote_only=0 nbbo_price_cap= parent_id=0 "
    "trigger_method=0 "
    # dn_order_type "None" is truthy for every decoder, so the eight fields behind it are always there
    "volatility= volatility_type=0 dn_order_type=None dn_aux_price= dn_con_id=0 dn_settling_firm= "
    "dn_clearing_account= dn_clearing_intent= dn_open_close=? dn_short_sale=0 dn_short_sale_slot=0 "
    "dn_designated_location= continuous_update=0 reference_price_type=0 trail_stop_price= trailing_percent= "
    "basis_points= basis_points_type= combo_legs_description= combo_legs=0 order_combo_legs=0 combo_routing=0 "
    "scale_init_size= scale_subs_size= scale_price_increment= hedge_type= opt_out_smart_routing=0 "
    "clearing_account= clearing_intent=IB not_held=0 delta_neutral_contract=0 algo_strategy= solicited=0 what_if=0 "
    f"status {_MARGINS} commission={_UNSET} min_commission={_UNSET} max_commission={_UNSET} commission_currency= "
    "warning_text= randomize_size=0 randomize_price=0 conditions=0 adjusted_order_type=None "
    f"trigger_price={_UNSET} adjusted_trail_stop={_UNSET} limit_price_offset={_UNSET} adjusted_stop={_UNSET} "
    f"adjusted_stop_limit={_UNSET} adjusted_trailing={_UNSET} adjustable_trailing_unit=0 soft_dollar_name= "
    "soft_dollar_value= soft_dollar_display= cash_quantity=0 dont_use_auto_price=1 is_oms_container=0 "
    f"discretionary_up_to_limit=0 use_price_management=0 duration= post_to_ats= auto_cancel_parent=0 "
    f"min_trade_quantity= min_compete_size= compete_offset={_UNSET} mid_offset_whole={_UNSET} "
    f"mid_offset_half={_UNSET}",
)
ACCOUNT_VALUE = Outgoing(6, "key value currency account", version=2)
PORTFOLIO = Outgoing(
    7,
    "con_id symbol sec_type expiry strike right multiplier primary_exchange currency local_symbol trading_class "
    "position market_price market_value average_cost unrealised realised account",
    version=8,
)
ACCOUNT_TIME = Outgoing(8, "clock", version=1)
NEXT_VALID_ID = Outgoing(9, "order_id", version=1)
CONTRACT_DETAILS = Outgoing(
    10,
    "req_id symbol sec_type last_trade strike right exchange currency local_symbol market_name trading_class con_id "
    "min_tick multiplier order_types valid_exchanges price_magnifier=1 underlying_con_id long_name primary_exchange "
    "contract_month industry= category= subcategory= time_zone trading_hours liquid_hours ev_rule= ev_multiplier= "
    "security_ids=0 aggregated_group=1 underlying_symbol underlying_sec_type market_rule_ids real_expiration "
    "stock_type min_size size_increment suggested_size_increment",
)
EXECUTION = Outgoing(
    11,
    "req_id order_id " + _CONTRACT + "exec_id time account venue side shares price perm_id client_id liquidation=0 "
    "cumulative_quantity average_price order_ref ev_rule= ev_multiplier= model_code= last_liquidity=2 "
    "pending_price_revision>=178=0",
)
MANAGED_ACCOUNTS = Outgoing(15, "accounts", version=1)
HISTORICAL_DATA = Outgoing(17, "req_id start end bars")
TICK_OPTION = Outgoing(
    21,
    "req_id tick_type attributes=0 implied_volatility delta option_price pv_dividend=0 gamma vega theta "
    "underlying_price",
)
TICK_GENERIC = Outgoing(45, "req_id tick_type value", version=6)
TICK_STRING = Outgoing(46, "req_id tick_type value", version=6)
CURRENT_TIME = Outgoing(49, "seconds", version=1)
CONTRACT_DETAILS_END = Outgoing(52, "req_id", version=1)
OPEN_ORDER_END = Outgoing(53, "", version=1)
ACCOUNT_DOWNLOAD_END = Outgoing(54, "account", version=1)
EXECUTION_END = Outgoing(55, "req_id", version=1)
SNAPSHOT_END = Outgoing(57, "req_id", version=1)
MARKET_DATA_TYPE = Outgoing(58, "req_id data_type", version=1)
COMMISSION = Outgoing(
    59, f"exec_id commission currency realised={_UNSET} yield_={_UNSET} yield_redemption_date=", version=1
)
POSITION = Outgoing(61, "account " + _CONTRACT + "position average_cost", version=3)
POSITION_END = Outgoing(62, "", version=1)
ACCOUNT_SUMMARY = Outgoing(63, "req_id account tag value currency", version=1)
ACCOUNT_SUMMARY_END = Outgoing(64, "req_id", version=1)
ACCOUNT_MULTI = Outgoing(73, "req_id account model key value currency", version=1)
ACCOUNT_MULTI_END = Outgoing(74, "req_id", version=1)
OPTION_CHAIN = Outgoing(75, "req_id exchange underlying_con_id trading_class multiplier expirations strikes")
OPTION_CHAIN_END = Outgoing(76, "req_id")
TICK_REQUEST_PARAMS = Outgoing(81, "req_id min_tick bbo_exchange snapshot_permissions")
PNL = Outgoing(94, "req_id daily unrealised realised")
PNL_SINGLE = Outgoing(95, "req_id position daily unrealised realised value")
COMPLETED_ORDER = Outgoing(
    101,
    _CONTRACT + "action total_quantity order_type limit_price aux_price=0 tif oca_group= account open_close= origin=0 "
    "order_ref perm_id outside_rth=0 hidden=0 discretionary_amount=0 good_after= fa_group= fa_method= "
    "fa_percentage= fa_profile<177= model_code= good_till= rule_80a= percent_offset= settling_firm= "
    "short_sale_slot=0 designated_location= exempt_code=-1 starting_price= stock_ref_price= delta= "
    "stock_range_lower= stock_range_upper= display_size=0 sweep_to_fill=0 all_or_none=0 min_quantity= oca_type=3 "
    "trigger_method=0 volatility= volatility_type=0 dn_order_type=None dn_aux_price= dn_con_id=0 dn_short_sale=0 "
    "dn_short_sale_slot=0 dn_designated_location= continuous_update=0 reference_price_type=0 trail_stop_price= "
    "trailing_percent= combo_legs_description= combo_legs=0 order_combo_legs=0 combo_routing=0 scale_init_size= "
    "scale_subs_size= scale_price_increment= hedge_type= clearing_account= clearing_intent=IB not_held=0 "
    "delta_neutral_contract=0 algo_strategy= solicited=0 status randomize_size=0 randomize_price=0 conditions=0 "
    f"adjusted_trail_stop={_UNSET} limit_price_offset={_UNSET} cash_quantity=0 dont_use_auto_price=1 "
    "is_oms_container=0 auto_cancel_date= filled_quantity ref_futures_con_id=0 auto_cancel_parent=0 shareholder= "
    f"imbalance_only=0 route_marketable=0 parent_perm_id={UNSET_INTEGER} completed_time completed_status "
    f"min_trade_quantity= min_compete_size= compete_offset={_UNSET} mid_offset_whole={_UNSET} mid_offset_half={_UNSET}",
)
HISTORICAL_SCHEDULE = Outgoing(106, "req_id start end time_zone sessions")
COMPLETED_ORDERS_END = Outgoing(102, "")


def handshake(server_version: int, connection_time: str) -> bytes:
    """The answer to the client's version range: exactly two fields, with no message number."""
    return framed(f"{server_version}\0{connection_time}\0".encode())
