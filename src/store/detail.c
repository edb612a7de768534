// Writing details. Each item takes its room once and is then written without further questions.
#include "store/detail.h"

#include "store/detail_form.h"

enum { NUMBER_MAX = 10, REAL = 8 };

static char *put_number(char *at, uint64_t value)
{
    while (value >= 0x80) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

static char *put_text(char *at, wp_view text)
{
    at = put_number(at, text.len);
    if (text.len > 0)
        memcpy(at, text.ptr, text.len);
    return at + text.len;
}

static char *put_real(char *at, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    for (int i = 0; i < REAL; i++)
        *at++ = (char)(bits >> (8 * i));
    return at;
}

// Room for a tag, `numbers`, `reals` and `text` bytes of texts (with a number for each); NULL:
// there is none.
static char *room(struct wp_buf *out, size_t numbers, size_t reals, size_t text)
{
    return wp_buf_room(out, 1 + numbers * NUMBER_MAX + reals * REAL + text) ? out->ptr + out->len
                                                                            : NULL;
}

static void done(struct wp_buf *out, const char *at)
{
    out->len = (size_t)(at - out->ptr);
}

void wp_detail_begin(struct wp_buf *out, bool holds_prompt)
{
    const char head[] = {STORE_DETAIL_VERSION, holds_prompt ? STORE_DETAIL_HOLDS_PROMPT : 0};
    wp_buf_append(out, wp_view_make(head, sizeof(head)));
}

void wp_detail_put_decision(struct wp_buf *out, const struct wp_detail_decision *decision)
{
    char *at = room(out, 5, 0, decision->group.len);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_DECISION;
    at = put_text(at, decision->group);
    at = put_number(at, decision->blocks);
    at = put_number(at, decision->breakpoints);
    at = put_number(at, decision->estimated_tokens);
    done(out, put_number(at, decision->waited_ms));
}

void wp_detail_put_divergence(struct wp_buf *out, const struct wp_detail_divergence *divergence)
{
    char *at = room(out, 6, 0, divergence->tier.len + divergence->kind.len);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_DIVERGENCE;
    at = put_number(at, divergence->index);
    at = put_text(at, divergence->tier);
    at = put_text(at, divergence->kind);
    at = put_number(at, divergence->shared_blocks);
    at = put_number(at, divergence->shared_tokens);
    done(out, put_number(at, divergence->previous_blocks));
}

void wp_detail_put_prompt(struct wp_buf *out, const struct wp_detail_prompt *prompt)
{
    char *at = room(out, 7, 0, 0);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_PROMPT;
    at = put_number(at, prompt->stream);
    at = put_number(at, prompt->keep);
    at = put_number(at, prompt->before);
    at = put_number(at, prompt->tools);
    at = put_number(at, prompt->head);
    at = put_number(at, prompt->tool_loop);
    done(out, put_number(at, prompt->count));
}

void wp_detail_put_block(struct wp_buf *out, uint64_t hash, uint64_t tokens)
{
    char *at = room(out, 2, 0, 0);
    if (at != NULL)
        done(out, put_number(put_number(at, hash), tokens));
}

static unsigned candidate_bits(const struct wp_detail_candidate *candidate)
{
    unsigned bits = candidate->usable ? STORE_CANDIDATE_USABLE : 0;
    if (candidate->predicted_cost >= 0)
        bits |= STORE_CANDIDATE_PRICED;
    if (candidate->id_as_row)
        bits |= STORE_CANDIDATE_AS_ROW;
    if (candidate->expected_cost == candidate->predicted_cost)
        bits |= STORE_CANDIDATE_AS_PREDICTED;
    if (candidate->confidence == 1)
        bits |= STORE_CANDIDATE_SURE;
    return candidate->headroom == 1 ? bits | STORE_CANDIDATE_FREE : bits;
}

void wp_detail_put_candidate(struct wp_buf *out, const struct wp_detail_candidate *candidate)
{
    char *at = room(out, 9, 4, candidate->model_id.len + candidate->reason.len);
    unsigned bits = candidate_bits(candidate);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_CANDIDATE;
    at = put_number(at, bits);
    if ((bits & STORE_CANDIDATE_AS_ROW) == 0)
        at = put_text(at, candidate->model_id);
    at = put_text(at, candidate->reason);
    at = put_number(at, candidate->predicted_read);
    at = put_number(at, candidate->predicted_write);
    at = put_number(at, candidate->predicted_uncached);
    at = put_number(at, candidate->predicted_write_1h);
    if ((bits & STORE_CANDIDATE_PRICED) != 0)
        at = put_real(at, candidate->predicted_cost);
    if ((bits & (STORE_CANDIDATE_PRICED | STORE_CANDIDATE_AS_PREDICTED)) == STORE_CANDIDATE_PRICED)
        at = put_real(at, candidate->expected_cost);
    if ((bits & STORE_CANDIDATE_SURE) == 0)
        at = put_real(at, candidate->confidence);
    if ((bits & STORE_CANDIDATE_FREE) == 0)
        at = put_real(at, candidate->headroom);
    at = put_number(at, candidate->in_flight);
    done(out, put_number(at, candidate->cooling_ms));
}

static uint64_t zigzag(int64_t value)
{
    return value < 0 ? ~((uint64_t)value << 1) : (uint64_t)value << 1;
}

void wp_detail_put_attempt(struct wp_buf *out, const struct wp_detail_attempt *attempt)
{
    char *at = room(out, 9, 0, attempt->model_id.len + attempt->api_base.len + attempt->error.len);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_ATTEMPT;
    at = put_number(at, (attempt->reused ? STORE_ATTEMPT_REUSED : 0u) |
                            (attempt->id_as_row ? STORE_ATTEMPT_ID_AS_ROW : 0u) |
                            (attempt->base_as_row ? STORE_ATTEMPT_BASE_AS_ROW : 0u));
    if (!attempt->id_as_row)
        at = put_text(at, attempt->model_id);
    if (!attempt->base_as_row)
        at = put_text(at, attempt->api_base);
    at = put_number(at, zigzag(attempt->status));
    at = put_text(at, attempt->error);
    at = put_number(at, attempt->started);
    at = put_number(at, attempt->connected);
    at = put_number(at, attempt->first_byte);
    done(out, put_number(at, attempt->ended));
}

void wp_detail_put_dropped(struct wp_buf *out, wp_view dropped)
{
    char *at = room(out, 1, 0, dropped.len);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_DROPPED;
    done(out, put_text(at, dropped));
}

void wp_detail_put_headers(struct wp_buf *out, size_t count)
{
    char *at = room(out, 1, 0, 0);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_HEADERS;
    done(out, put_number(at, count));
}

void wp_detail_put_field(struct wp_buf *out, wp_view name, wp_view value)
{
    char *at = room(out, 2, 0, name.len + value.len);
    if (at == NULL)
        return;
    at = put_number(put_text(at, name), (uint64_t)value.len * 2);
    if (value.len > 0)
        memcpy(at, value.ptr, value.len);
    done(out, at + value.len);
}

void wp_detail_put_hidden_field(struct wp_buf *out, wp_view name, size_t value_len)
{
    char *at = room(out, 2, 0, name.len);
    if (at != NULL)
        done(out, put_number(put_text(at, name), (uint64_t)value_len * 2 + 1));
}

void wp_detail_put_json(struct wp_buf *out, enum wp_detail_part part, wp_view json)
{
    char *at = room(out, 2, 0, json.len);
    if (at == NULL)
        return;
    *at++ = STORE_DETAIL_JSON;
    done(out, put_text(put_number(at, part), json));
}
