"""What quality codes are called: those of OPC and of Ignition, before version 8 and since. Pure."""

from __future__ import annotations

# Ignition 8 writes a subcode below 1024, alone or with its level in the two highest of 32 bits.
LEVEL, SUBCODE, UPPER = 0xC0000000, 0x3FF, 16

NAMES = {
    # OPC, and Ignition before version 8
    0: "Bad",  # Good_Unspecified in Ignition 8, which a historian that stores OPC's codes does not mean
    4: "Bad_ConfigurationError",
    8: "Bad_NotConnected",
    12: "Bad_DeviceFailure",
    16: "Bad_SensorFailure",
    20: "Bad_LastKnownValue",
    24: "Bad_CommunicationFailure",
    28: "Bad_OutOfService",
    32: "Bad_WaitingForInitialData",
    64: "Uncertain",
    68: "Uncertain_LastUsableValue",
    80: "Uncertain_SensorNotAccurate",
    84: "Uncertain_EngineeringUnitsExceeded",
    88: "Uncertain_SubNormal",
    192: "Good",
    216: "Good_LocalOverride",
    300: "Config_Error",
    301: "Comm_Error",
    310: "Expression_Eval_Error",
    311: "SQL_Query_Error",
    312: "DB_Conn_Error",
    320: "Good_Provisional",
    330: "Tag_Exec_Error",
    340: "Type_Conversion_Error",
    403: "Access_Denied",
    404: "Not_Found",
    405: "Reference_Not_Found",
    410: "Disabled",
    500: "Stale",
    600: "Unknown",
    700: "Write_Pending",
    900: "Demo_Expired",
    901: "GW_Comm_Off",
    902: "Tag_Limit_Exceeded",
    1000: "Aggregate_Not_Found",
    # Ignition 8
    2: "Good_WritePending",
    200: "Good_Provisional",
    201: "Good_Initial",
    202: "Good_Overload",
    203: "Good_Backfill",
    256: "Uncertain",
    257: "Uncertain_LastKnownValue",
    258: "Uncertain_InitialValue",
    259: "Uncertain_DataSubNormal",
    260: "Uncertain_EngineeringUnitsExceeded",
    261: "Uncertain_IncompleteOperation",
    512: "Bad",
    513: "Bad_Unauthorized",
    514: "Bad_AccessDenied",
    515: "Bad_Disabled",
    516: "Bad_Stale",
    517: "Bad_TrialExpired",
    518: "Bad_LicenseExceeded",
    519: "Bad_NotFound",
    520: "Bad_ReferenceNotFound",
    521: "Bad_AggregateNotFound",
    522: "Bad_NotConnected",
    523: "Bad_GatewayCommOff",
    524: "Bad_OutOfRange",
    525: "Bad_DatabaseNotConnected",
    526: "Bad_ReadOnly",
    527: "Bad_Failure",
    528: "Bad_Unsupported",
    768: "Error",
    769: "Error_Configuration",
    770: "Error_ExpressionEval",
    771: "Error_TagExecution",
    772: "Error_TypeConversion",
    773: "Error_DatabaseQuery",
    774: "Error_IO",
    775: "Error_TimeoutExpired",
    776: "Error_Exception",
    777: "Error_InvalidPathSyntax",
    778: "Error_Formatting",
    779: "Error_ScriptEval",
    780: "Error_CycleDetected",
}
# OPC UA has the status in the upper 16 bits, details in the lower.
OPC_UA = {
    0x8000: "Bad",
    0x8005: "BadCommunicationError",
    0x800A: "BadTimeout",
    0x800D: "BadServerNotConnected",
    0x8031: "BadNoCommunication",
    0x8032: "BadWaitingForInitialData",
    0x803C: "BadOutOfRange",
    0x8089: "BadConfigurationError",
    0x808A: "BadNotConnected",
    0x808B: "BadDeviceFailure",
    0x808C: "BadSensorFailure",
    0x808D: "BadOutOfService",
    0x4000: "Uncertain",
    0x408F: "UncertainNoCommunicationLastUsableValue",
    0x4090: "UncertainLastUsableValue",
    0x4091: "UncertainSubstituteValue",
    0x4092: "UncertainInitialValue",
    0x4093: "UncertainSensorNotAccurate",
    0x4094: "UncertainEngineeringUnitsExceeded",
    0x4095: "UncertainSubNormal",
    0x0096: "GoodLocalOverride",
}


def quality_name(code: int) -> str:
    """The name of a code, signed or not; nothing where nobody has named it."""
    bits = code & 0xFFFFFFFF
    if bits <= max(NAMES):
        return NAMES.get(bits, "")
    if bits & ~(LEVEL | SUBCODE) == 0 and bits & SUBCODE:
        return NAMES.get(bits & SUBCODE, "")
    return OPC_UA.get(bits >> UPPER, "")


def with_name(code: int | str | None) -> str:
    """``500 Stale``, ``-2147483132 (0x80000204) Bad_Stale``; what is no code as it is."""
    try:
        number = int(code)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return str(code)
    bits = f"(0x{number + (1 << 32):08X})" if number < 0 else ""
    return " ".join(filter(None, [str(number), bits, quality_name(number)]))
