"""How servers that speak OpenAI's chat protocol differ: one table row per server.

An error is held against the words of all rows, because gateways (OpenRouter, LiteLLM, a proxy) pass on the
errors of the server behind them. The row of the server itself, recognised by its host or port, gives the name
of the token limit and the header of the key, and decides where one word means two things (`throttled`).

`docs/engine.md` prints the table.
"""

from dataclasses import dataclass
from typing import Final

MAX_TOKENS: Final = "max_tokens"
MAX_COMPLETION_TOKENS: Final = "max_completion_tokens"


@dataclass(frozen=True)
class Dialect:
    """One server's variant of the protocol.

    Words are lower case and stand in the error code (or as `code=...`) or in the message; `*` is any text.

    Attributes:
        name: Of the server.
        hosts: Ends of its host names.
        port: Its usual port, by which it is recognised on any other host.
        limit: Its parameter for the most tokens of a reply; the other name is tried where it is refused.
        key_header: The header of the key.
        errors: Where its errors hold code and message.
        context: The conversation is longer than the model's context.
        length: The limit of tokens ended the reply before it said anything.
        filtered: A content filter or a moderation stopped this request.
        credit: No credit or quota is left.
        throttled: A limit that passes, whatever the word means elsewhere.
        model: The model is not there.
        key: The key is missing or wrong.
        pictures: The model takes no pictures.
        place: The address is not a chat endpoint.
        reasoning: Members of a message that hold its reasoning.
    """

    name: str
    hosts: tuple[str, ...] = ()
    port: int | None = None
    limit: str = MAX_TOKENS
    key_header: str = "Authorization"
    errors: str = "`error.code`, `error.message`"
    context: tuple[str, ...] = ()
    length: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    credit: tuple[str, ...] = ()
    throttled: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()


DIALECTS: Final = (
    Dialect(
        "OpenAI",
        hosts=("api.openai.com",),
        limit=MAX_COMPLETION_TOKENS,
        errors="`error.code`, `error.type`, `error.param`, `error.message`",
        context=("context_length_exceeded", "maximum context length", "exceeds the context window",
                 "string_above_max_length", "request too large for"),
        length=("model output limit was reached",),
        filtered=("content_policy_violation", "prompt was flagged", "moderation_blocked"),
        credit=("insufficient_quota", "billing_hard_limit_reached", "billing_not_active"),
        model=("model_not_found", "model*does not exist", "does not have access to model"),
        key=("invalid_api_key", "incorrect api key"),
        pictures=("image_url is only supported by", "does not support image"),
    ),
    Dialect(
        "Azure OpenAI",
        hosts=("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
        key_header="api-key",
        errors="`error.code`, `error.innererror.code`, `error.message`",
        filtered=("content_filter", "responsibleaipolicyviolation", "content management policy"),
        credit=("out of call volume quota",),
        model=("deploymentnotfound", "unknown_model"),
        key=("invalid subscription key",),
    ),
    Dialect(
        "Gemini",
        hosts=("generativelanguage.googleapis.com", "aiplatform.googleapis.com"),
        errors="a list: `[{error.status, error.message, error.details[].reason}]`",
        context=("input token count*exceeds the maximum",),
        filtered=("prohibited_content",),
        credit=("prepayment credits are depleted", "billing_disabled", "requires billing",
                "perdayperproject"),
        model=("is not found for api version",),
        key=("api key not valid", "api_key_invalid", "api key expired", "reported as leaked"),
    ),
    Dialect(
        "DashScope",
        hosts=("dashscope.aliyuncs.com", "dashscope-intl.aliyuncs.com", "dashscope-us.aliyuncs.com"),
        errors="`error.code`, `error.message`; or `code`, `message`",
        context=("range of input length should be", "total message token length exceed"),
        filtered=("data_inspection_failed", "datainspectionfailed", "may contain inappropriate content",
                  "faqruleblocked", "customroleblocked", "ipinfringementsuspect"),
        credit=("arrearage", "freetieronly", "free tier of the model has been exhausted",
                "free allocated quota exceeded", "billoverdue", "commoditynotpurchased"),
        throttled=("insufficient_quota",),
        model=("modelnotfound", "model not exist", "model can not be found", "model_not_supported",
               "model.accessdenied", "access to model denied"),
        key=("invalidapikey", "invalid api-key"),
        pictures=("input content must be a string",),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "OpenRouter",
        hosts=("openrouter.ai",),
        errors="`error.code` (a number, also under status 200), `error.message`, `error.metadata.raw`",
        filtered=("requires moderation", "input was flagged"),
        credit=("insufficient credits", "requires more credits", "key limit exceeded", "free-models-per-day"),
        model=("is not a valid model", "no endpoints found", "no allowed providers"),
        key=("no auth credentials",),
        pictures=("no endpoints found that support image",),
        reasoning=("reasoning", "reasoning_details"),
    ),
    Dialect(
        "vLLM",
        port=8000,
        errors="`error.type`, `error.message`; or `message`, `detail`",
        context=("maximum model length", "model's context length", "too long to fit into the model",
                 "max_tokens must be at least 1", "max_tokens' must be at least 1"),
        pictures=("is not a multimodal model", "at most 0 image"),
        reasoning=("reasoning_content", "reasoning"),
    ),
    Dialect(
        "SGLang",
        port=30000,
        errors="`message`, `type`, `code` (a number)",
        context=("longer than the model's context length", "requested token count exceeds"),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "llama.cpp",
        port=8080,
        errors="`error.type`, `error.code` (a number), `error.message`",
        context=("exceed_context_size_error", "available context size", "context size has been exceeded"),
        model=("model not found",),
        key=("invalid api key",),
        pictures=("image input is not supported", "mmproj"),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "Ollama",
        hosts=("ollama.com",),
        port=11434,
        errors="`error.message`; or a string: `error`",
        context=("exceeded max context length", "exceeds the context length"),
        credit=("usage limit",),
        model=("try pulling it first", "model '*' not found"),
        pictures=("missing data required for image input",),
        reasoning=("reasoning", "thinking"),
    ),
    Dialect(
        "LM Studio",
        port=1234,
        errors="a string: `error`, also under status 200",
        context=("greater than the context length", "loaded with context length"),
        model=("no models loaded", "failed to load model"),
        place=("unexpected endpoint or method",),
        reasoning=("reasoning_content", "reasoning"),
    ),
    Dialect(
        "Anthropic",
        hosts=("api.anthropic.com",),
        errors="`error.type`, `error.message`",
        context=("prompt is too long", "prompt too long", "exceed context limit", "request_too_large"),
        filtered=("blocked by content filtering policy",),
        credit=("credit balance is too low", "specified api usage limits"),
        model=("not_found_error*model:",),
        key=("authentication_error", "invalid x-api-key"),
    ),
    Dialect(
        "DeepSeek",
        hosts=("api.deepseek.com",),
        filtered=("content exists risk",),
        credit=("insufficient balance",),
        key=("authentication fails",),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "xAI",
        hosts=("api.x.ai",),
        errors="`code`, and a string: `error`",
        context=("maximum prompt length",),
        filtered=("violates usage guidelines", "safety_check_type"),
        credit=("doesn't have any credits", "used all available credits", "spending limit"),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "Moonshot",
        hosts=("api.moonshot.ai", "api.moonshot.cn"),
        context=("exceeded model token limit",),
        filtered=("considered high risk",),
        credit=("exceeded_current_quota",),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "Zhipu",
        hosts=("open.bigmodel.cn", "api.z.ai"),
        errors="`error.code` (four digits), `error.message`",
        context=("code=1261", "model_context_window_exceeded"),
        filtered=("code=1301",),
        credit=("code=1113",),
        model=("code=1211",),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "MiniMax",
        hosts=("api.minimax.io", "api.minimax.chat", "api.minimaxi.com"),
        errors="`base_resp.status_code`, `base_resp.status_msg`, under status 200",
        context=("context window exceeds limit",),
        filtered=("code=1026", "code=1027"),
        credit=("code=1008",),
        key=("code=1004",),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "Mistral, Groq, Hugging Face",
        hosts=("api.mistral.ai", "api.groq.com", "router.huggingface.co"),
        errors="`message` (a text or `detail[]`); `error.message`; a string: `error`",
        context=("too large for model with", "reduce the length of the messages",
                 "`inputs` must have less than", "`inputs` tokens + `max_new_tokens`"),
        credit=("monthly included credits",),
        model=("invalid_model", "invalid model", "model_decommissioned"),
        reasoning=("reasoning", "reasoning_content"),
    ),
    Dialect(
        "TensorRT-LLM, NIM",
        hosts=("integrate.api.nvidia.com",),
        errors="`error.message`; or `message`, `detail`",
        context=("max_seq_len", "max_input_len", "input length exceeded"),
        reasoning=("reasoning_content",),
    ),
    Dialect(
        "TabbyAPI",
        port=5000,
        errors="`error.message`; or `detail`",
        reasoning=("reasoning_content",),
    ),
    Dialect("KoboldCpp", port=5001, errors="`detail.msg`", context=("exceeds the maximum context",)),
    Dialect(
        "LMDeploy, MLX",
        port=23333,
        errors="`message`, `type`, `code`; a string: `error`",
        context=("input_length_error", "prompt too large"),
        reasoning=("reasoning_content", "reasoning"),
    ),
    Dialect(
        "Cohere",
        hosts=("api.cohere.com", "api.cohere.ai"),
        errors="`message`",
        context=("too many tokens",),
        filtered=("error_toxic",),
    ),
    Dialect(
        "Qianfan, Tencent",
        hosts=("qianfan.baidubce.com", "aip.baidubce.com", "hunyuan.cloud.tencent.com"),
        errors="`error_code`, `error_msg`; `Response.Error.Code`, `Response.Error.Message`",
        context=("prompt tokens too long",),
        filtered=("textillegaldetected", "imageillegaldetected"),
        credit=("daily request limit reached", "resourcepackexhausted", "inarrears"),
        key=("access token invalid", "access token expired", "authfailure"),
    ),
    Dialect(
        "LiteLLM, One API",
        port=4000,
        errors="`error.type`, `error.code`, `error.message`: those of the server behind it",
        context=("contextwindowexceedederror", "input is too long for requested model"),
        filtered=("contentpolicyviolationerror", "guardrail"),
        credit=("budget has been exceeded", "budget_exceeded", "insufficient_user_quota",
                "pre_consume_token_quota_failed"),
        model=("no available channel", "无可用渠道"),
        key=("invalid proxy server token",),
    ),
)  # fmt: skip
"""Every row. Of servers that share a port, the first is taken."""

OTHER_DIALECT: Final = Dialect(
    "any other",
    context=("context length", "context window", "context_length", "maximum context", "max context",
             "context limit", "context too long", "prompt too long", "prompt is too l", "input too long",
             "input is too l", "messages are too l", "conversation is too l", "too many input tokens",
             "too many prompt tokens", "prompt*exceed*maximum", "input*exceed*maximum",
             "prompt*exceeds*limit", "length exceed", "length*exceeds maximum allowed", "input tokens exceed",
             "prompt tokens exceed", "total tokens*exceed", "number of tokens*exceed", "token count*exceed",
             "tokens) exceeds maximum allowed", "max_model_len", "max_position_embeddings",
             "max_total_tokens", "上下文", "超过最大长度", "输入过长", "长度超"),
    filtered=("content policy", "content filter", "safety system", "safety polic", "safety filter",
              "usage polic", "sensitivecontent", "sensitive content", "harmful content", "unsafe content",
              "flagged", "moderation", "inappropriate", "nsfw", "censorship", "prompt was blocked",
              "prompt*blocked by", "blocked by*polic", "blocked by*safety", "policy violation",
              "policy_violation", "violat*polic", "violat*guideline", "敏感", "违规", "内容安全"),
    credit=("insufficient credit", "insufficient_credit", "insufficient funds", "insufficient_balance",
            "insufficient balance", "insufficient quota", "not enough credit", "not enough balance",
            "payment required", "payment_required", "out of credits", "no credits", "credits exhausted",
            "credits*have been used", "quota exhausted", "monthly quota", "monthly limit", "trial*expired",
            "subscription*expired", "accountoverdue", "余额不足", "欠费", "额度不足", "额度已用尽"),
    key=("unauthorized", "unauthenticated", "not authenticated", "account_deactivated", "account has been",
         "organization has been", "account*flagged", "account*suspended", "account*disabled",
         "account*banned"),
    pictures=("support image input", "does not support images", "does not support vision"),
    reasoning=("reasoning_content", "reasoning", "thinking"),
)  # fmt: skip
"""A server that no row recognises, and words that any server may use."""

FILTER_ENDINGS: Final = (
    "content_filter", "content-filter", "contentfilter", "safety", "recitation", "prohibited_content",
    "blocklist", "spii", "image_safety", "image_prohibited_content", "image_recitation", "sensitive",
    "guardrail", "refusal", "content_policy", "policy_violation", "moderation", "flagged", "blocked",
    "censor", "unsafe", "error_toxic", "model_armor",
)  # fmt: skip
"""What `finish_reason` begins with, in lower case, where a content filter ended a reply."""

LENGTH_ENDINGS: Final = (
    "length", "max_tokens", "max_output_tokens", "model_length", "max_length", "max_completion_tokens",
    "max_new_tokens", "token_limit",
)  # fmt: skip
"""What `finish_reason` is, in lower case, where the limit of tokens ended a reply."""

CONTEXT_ENDINGS: Final = ("model_context_window_exceeded", "context_length_exceeded", "context_length")
"""What `finish_reason` is, in lower case, where the context was full."""

BROKEN_ENDINGS: Final = (
    "error", "abort", "aborted", "cancelled", "canceled", "failed", "timeout", "server_error",
    "internal_error", "insufficient_system_resource", "network_error", "engine_overloaded",
)  # fmt: skip
"""What `finish_reason` is, in lower case, where the server broke off."""

REASONING: Final = tuple(dict.fromkeys(name for row in (*DIALECTS, OTHER_DIALECT) for name in row.reasoning))
"""Members of a message that hold its reasoning, at any server."""


def dialect_of(host: str, port: int | None) -> Dialect:
    """The server at an address: by its host name or port, else `OTHER_DIALECT`."""
    for row in DIALECTS:
        if any(host == end or host.endswith(f".{end}") for end in row.hosts):
            return row
    return next((row for row in DIALECTS if port is not None and row.port == port), OTHER_DIALECT)
