// Conversations made from a stream of choices (a seeded generator, or a fuzzer's bytes), sent to
// the simulated provider's cache and to the gateway's model of it at once: what the model predicts
// must be what the provider bills, token for token.
#ifndef WP_TESTS_SUPPORT_AGREEMENT_H
#define WP_TESTS_SUPPORT_AGREEMENT_H

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/buf.h"
#include "route/model.h"
#include "sim/private.h"

struct agree_choices {
    uint32_t (*below)(void *state, uint32_t bound); // 0 … bound - 1
    void *state;
};

enum { AGREE_TALKS = 6, AGREE_MESSAGES = 48, AGREE_BLOCKS = 40, AGREE_PENDING = 4 };

struct agree_block {
    char kind; // t text, u tool_use, r tool_result, k thinking, i image, d document
    uint32_t text, words;
};
struct agree_message {
    bool assistant;
    uint32_t count;
    struct agree_block blocks[AGREE_BLOCKS];
};
struct agree_talk {
    uint32_t tools, tool_text, systems, system_text;
    uint32_t speed, choice, thinking, effort, citations, betas, management;
    uint32_t count;
    struct agree_message messages[AGREE_MESSAGES];
};

struct agree {
    const struct agree_choices *choices;
    struct sim_cache cache;
    struct wp_model model;
    struct wp_domain *domain;
    struct wp_hash_key key;
    struct agree_talk talks[AGREE_TALKS];
    int64_t now_ms;
    uint32_t texts; // numbers of texts given out
    enum sim_platform platform;
    bool for_gateway; // the body that is being written
    bool thinking_in_head;
    uint64_t requests, refused, hits, split_ttl;
    uint64_t correct; // predictions are corrected by the usage
    char problem[400];
};

static uint32_t agree_pick(struct agree *a, uint32_t bound)
{
    return a->choices->below(a->choices->state, bound);
}

static bool agree_chance(struct agree *a, uint32_t of)
{
    return agree_pick(a, of) == 0;
}

// Bodies.

static void agree_words(struct wp_buf *out, uint32_t text, uint32_t words)
{
    static const char filler[] = "lorem ipsum dolor sit amet consectetur adipiscing elit sed do "
                                 "eiusmod tempor incididunt ut labore et dolore magna aliqua ut ";
    wp_buf_printf(out, "%u ", text);
    for (uint32_t left = words * 6; left > 0;) {
        uint32_t len = left < sizeof(filler) - 1 ? left : (uint32_t)sizeof(filler) - 1;
        wp_buf_append(out, wp_view_make(filler, len));
        left -= len;
    }
}

static void agree_marker(struct wp_buf *out, uint32_t minutes)
{
    if (minutes != 0)
        wp_buf_append_cstring(
            out, minutes == 60 ? ",\"cache_control\":{\"type\":\"ephemeral\",\"ttl\":\"1h\"}"
                               : ",\"cache_control\":{\"type\":\"ephemeral\"}");
}

static void agree_put_block(struct wp_buf *out, const struct agree_block *b, uint32_t minutes,
                            bool cited)
{
    switch (b->kind) {
    case 'u':
        wp_buf_printf(out,
                      "{\"type\":\"tool_use\",\"id\":\"t%u\",\"name\":\"n\",\"input\":{\"a\":\"",
                      b->text);
        agree_words(out, b->text, b->words);
        wp_buf_append_cstring(out, "\"}");
        break;
    case 'r':
        wp_buf_printf(out, "{\"type\":\"tool_result\",\"tool_use_id\":\"t%u\",\"content\":\"",
                      b->text);
        agree_words(out, b->text, b->words);
        wp_buf_append_cstring(out, "\"");
        break;
    case 'k':
        wp_buf_append_cstring(out, "{\"type\":\"thinking\",\"signature\":\"s\",\"thinking\":\"");
        agree_words(out, b->text, b->words);
        wp_buf_append_cstring(out, "\"");
        break;
    case 'i':
        wp_buf_printf(out, "{\"type\":\"image\",\"source\":{\"type\":\"url\",\"url\":\"x%u\"}",
                      b->text);
        break;
    case 'd':
        wp_buf_printf(out, "{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"%u\"}",
                      b->text);
        if (cited)
            wp_buf_append_cstring(out, ",\"citations\":{\"enabled\":true}");
        break;
    default:
        wp_buf_append_cstring(out, "{\"type\":\"text\",\"text\":\"");
        agree_words(out, b->text, b->words);
        wp_buf_append_cstring(out, "\"");
    }
    agree_marker(out, minutes);
    wp_buf_append_char(out, '}');
}

// Minutes of the marker that stands on each block of the prompt, in order.
struct agree_markers {
    uint8_t at[2048];
    uint32_t count; // blocks
};

// Sets, in several orders; the last two are one.
static const char *agree_betas(const struct agree_talk *talk)
{
    static const char *const sets[] = {
        "", "interleaved-thinking-2025-05-14",
        "context-management-2025-06-27,interleaved-thinking-2025-05-14",
        "interleaved-thinking-2025-05-14, context-management-2025-06-27,"
        "interleaved-thinking-2025-05-14"};
    return sets[talk->betas];
}

// In the body on Bedrock, which takes context_management only together with its beta.
static void agree_put_betas(struct agree *a, struct wp_buf *out, const struct agree_talk *talk)
{
    wp_view rest = wp_view_of(agree_betas(talk)), name;
    bool bedrock = a->platform == SIM_BEDROCK && !a->for_gateway;
    if (bedrock && rest.len > 0) {
        wp_buf_append_cstring(out, "\"anthropic_beta\":[");
        for (bool more = false; wp_view_next_token(&rest, ',', &name); more = true)
            wp_buf_printf(out, "%s\"%.*s\"", more ? "," : "", WP_VIEW_ARG(wp_view_trim(name)));
        wp_buf_append_cstring(out, "],");
    }
    if (talk->management != 0 && talk->betas >= 2)
        wp_buf_append_cstring(out, "\"context_management\":{\"edits\":[{\"type\":"
                                   "\"clear_thinking_20251015\",\"keep\":\"all\"}]},");
}

static void agree_put_members(struct agree *a, struct wp_buf *out, const struct agree_talk *talk)
{
    static const char *const choices[] = {"", "\"tool_choice\":{\"type\":\"any\"},",
                                          "\"tool_choice\":{\"type\":\"auto\","
                                          "\"disable_parallel_tool_use\":true},"};
    static const char *const thinking[] = {"", "\"thinking\":{\"type\":\"adaptive\"},",
                                           "\"thinking\":{\"type\":\"enabled\","
                                           "\"budget_tokens\":2000},"};
    static const char *const efforts[] = {"", "\"output_config\":{\"effort\":\"high\"},",
                                          "\"output_config\":{\"effort\":\"low\"},"};
    // Bedrock has the model in the path; the gateway sees the client's body, which has it inside.
    if (a->platform == SIM_ANTHROPIC || a->for_gateway)
        wp_buf_append_cstring(out, "\"model\":\"claude-sonnet-4-5\",");
    else
        wp_buf_append_cstring(out, "\"anthropic_version\":\"bedrock-2023-05-31\",");
    if (talk->speed != 0 && a->platform == SIM_ANTHROPIC)
        wp_buf_append_cstring(out, "\"speed\":\"fast\",");
    wp_buf_append_cstring(out, choices[talk->choice]);
    wp_buf_append_cstring(out, thinking[talk->thinking]);
    if (a->platform == SIM_ANTHROPIC)
        wp_buf_append_cstring(out, efforts[talk->effort]);
    agree_put_betas(a, out, talk);
    wp_buf_append_cstring(out, "\"max_tokens\":10,");
}

static uint32_t agree_next(struct agree_markers *markers, uint32_t *block)
{
    uint32_t i = (*block)++;
    return i < sizeof(markers->at) ? markers->at[i] : 0;
}

static void agree_body(struct agree *a, const struct agree_talk *talk,
                       struct agree_markers *markers, bool strings, struct wp_buf *out)
{
    uint32_t block = 0;
    wp_buf_append_char(out, '{');
    agree_put_members(a, out, talk);
    wp_buf_append_cstring(out, "\"tools\":[");
    for (uint32_t i = 0; i < talk->tools; i++) {
        wp_buf_printf(out, "%s{\"name\":\"tool%u\",\"description\":\"", i > 0 ? "," : "", i);
        agree_words(out, talk->tool_text + i, 60);
        wp_buf_append_cstring(out, "\",\"input_schema\":{}");
        agree_marker(out, agree_next(markers, &block));
        wp_buf_append_char(out, '}');
    }
    wp_buf_append_cstring(out, "],\"system\":[");
    for (uint32_t i = 0; i < talk->systems; i++) {
        const struct agree_block b = {'t', talk->system_text + i, 300};
        wp_buf_append_cstring(out, i > 0 ? "," : "");
        agree_put_block(out, &b, agree_next(markers, &block), false);
    }
    wp_buf_append_cstring(out, "],\"messages\":[");
    for (uint32_t m = 0; m < talk->count; m++) {
        const struct agree_message *message = &talk->messages[m];
        bool plain = strings && message->count == 1 && message->blocks[0].kind == 't' &&
                     block < sizeof(markers->at) && markers->at[block] == 0;
        wp_buf_printf(out, "%s{\"role\":\"%s\",\"content\":", m > 0 ? "," : "",
                      message->assistant ? "assistant" : "user");
        if (plain) {
            wp_buf_append_char(out, '"');
            agree_words(out, message->blocks[0].text, message->blocks[0].words);
            wp_buf_append_char(out, '"');
            block++;
        } else {
            wp_buf_append_char(out, '[');
            for (uint32_t i = 0; i < message->count; i++) {
                wp_buf_append_cstring(out, i > 0 ? "," : "");
                agree_put_block(out, &message->blocks[i], agree_next(markers, &block),
                                talk->citations != 0);
            }
            wp_buf_append_char(out, ']');
        }
        wp_buf_append_char(out, '}');
    }
    wp_buf_append_cstring(out, "]}");
    markers->count = block;
}

// Conversations.

static struct agree_block agree_new_block(struct agree *a, char kind)
{
    return (struct agree_block){kind, ++a->texts, 1 + agree_pick(a, 120)};
}

static void agree_add(struct agree *a, struct agree_talk *talk, bool assistant, const char *kinds,
                      uint32_t count)
{
    if (talk->count == AGREE_MESSAGES)
        return;
    struct agree_message *message = &talk->messages[talk->count++];
    *message = (struct agree_message){.assistant = assistant};
    for (uint32_t i = 0; i < count && i < AGREE_BLOCKS; i++)
        message->blocks[message->count++] = agree_new_block(a, kinds[i % strlen(kinds)]);
}

static void agree_new_talk(struct agree *a, struct agree_talk *talk)
{
    const struct agree_talk *other = &a->talks[agree_pick(a, AGREE_TALKS)];
    struct agree_talk fresh = {.tools = agree_pick(a, 4),
                               .tool_text = agree_pick(a, 3) * 1000,
                               .systems = agree_pick(a, 4),
                               .system_text = 5000 + agree_pick(a, 3) * 1000};
    if (agree_chance(a, 2)) { // shares a head with another
        fresh.tools = other->tools;
        fresh.tool_text = other->tool_text;
        fresh.systems = other->systems;
        fresh.system_text = other->system_text;
    }
    *talk = fresh;
    agree_add(a, talk, false, "tt", 1 + agree_pick(a, 2));
}

static void agree_turn(struct agree *a, struct agree_talk *talk)
{
    uint32_t run = agree_chance(a, 3) ? 1 + agree_pick(a, 16) : 1 + agree_pick(a, 3);
    switch (agree_pick(a, 5)) {
    case 0:
        agree_add(a, talk, true, "t", 1);
        agree_add(a, talk, false, "t", 1 + agree_pick(a, 30));
        return;
    case 1:
        agree_add(a, talk, true, "kt", 2);
        agree_add(a, talk, false, "t", 1);
        return;
    case 2:
        agree_add(a, talk, true, "t", 1);
        agree_add(a, talk, false, agree_chance(a, 2) ? "it" : "dt", 2);
        return;
    default:
        agree_add(a, talk, true, "u", run);
        agree_add(a, talk, false, "r", run);
    }
}

// What people and clients do to a conversation between two requests.
static void agree_change(struct agree *a, struct agree_talk *talk)
{
    if (talk->count == 0 || talk->count + 2 > AGREE_MESSAGES)
        agree_new_talk(a, talk);
    switch (agree_pick(a, 60)) {
    case 0:
        talk->speed = !talk->speed;
        break;
    case 1:
        talk->choice = agree_pick(a, 3);
        break;
    case 2:
        talk->thinking = agree_pick(a, 3);
        break;
    case 3:
        talk->effort = agree_pick(a, 3);
        break;
    case 4:
        talk->citations = !talk->citations;
        break;
    case 5:
        talk->tools = agree_pick(a, 4);
        break;
    case 6:
        talk->system_text = 5000 + agree_pick(a, 3) * 1000;
        break;
    case 7: // history edited
        talk->messages[agree_pick(a, talk->count)].blocks[0].text = ++a->texts;
        break;
    case 8: // rewound
        talk->count = 1 + agree_pick(a, talk->count);
        break;
    case 9:
        agree_new_talk(a, talk);
        break;
    case 11:
        talk->betas = agree_pick(a, 4);
        break;
    case 12:
        talk->management = !talk->management;
        break;
    case 10: // a branch of another
        *talk = a->talks[agree_pick(a, AGREE_TALKS)];
        if (talk->count == 0)
            agree_new_talk(a, talk);
        break;
    default:
        agree_turn(a, talk);
    }
}

static uint32_t agree_count(const struct agree_talk *talk)
{
    uint32_t count = talk->tools + talk->systems;
    for (uint32_t m = 0; m < talk->count; m++)
        count += talk->messages[m].count;
    return count;
}

// Up to four markers, mostly where clients put them; now and then against the rules.
static void agree_mark(struct agree *a, const struct agree_talk *talk, struct agree_markers *out)
{
    uint32_t count = agree_count(talk), head = talk->tools + talk->systems;
    uint32_t markers = agree_pick(a, 40) == 0 ? 5 : 1 + agree_pick(a, 4);
    uint32_t hours = agree_chance(a, 3) ? agree_pick(a, count + 1) : 0; // 1 h up to here
    memset(out, 0, sizeof(*out));
    for (uint32_t i = 0; i < markers && count > 0; i++) {
        uint32_t at = i == 0 ? count - 1 : i == 1 && head > 0 ? head - 1 : agree_pick(a, count);
        if (at < sizeof(out->at))
            out->at[at] = at < hours ? 60 : 5;
    }
    if (hours > 0 && agree_pick(a, 40) == 0 && count <= sizeof(out->at))
        out->at[count - 1] = 60; // possibly after one of 5 m
}

// Requests.

struct agree_sent {
    struct wp_arena *arena;
    struct wp_buf body, gateway_body;
    struct sim_request request;
    struct sim_usage usage;
    struct sim_cache_use use;
    struct wp_request scanned;
    struct wp_prompt prompt;
    struct wp_trace trace;
    struct wp_forecast forecast;
    bool open;
};

static bool agree_wrong(struct agree *a, const char *what, const struct agree_sent *sent)
{
    const struct wp_forecast *f = &sent->forecast;
    snprintf(a->problem, sizeof(a->problem),
             "request %llu, %s: predicted read %u, 5 m %u, 1 h %u, uncached %u; billed %u, %u, %u, "
             "%u of %u blocks",
             (unsigned long long)a->requests, what, f->read, f->write_5m, f->write_1h, f->uncached,
             sent->usage.read, sent->usage.write_5m, sent->usage.write_1h, sent->usage.input,
             (unsigned)sent->request.prompt.count);
    return false;
}

static wp_view agree_model(void)
{
    return WP_VIEW("claude-sonnet-4-5");
}

// The provider's own sizes, so that only the boundaries are in question.
static bool agree_take_sizes(struct agree *a, struct agree_sent *sent)
{
    const struct sim_prompt *real = &sent->request.prompt;
    if (sent->prompt.count != real->count)
        return agree_wrong(a, "another number of blocks", sent);
    for (uint32_t i = 0; i < sent->prompt.count; i++) {
        sent->prompt.blocks[i].tokens = real->blocks[i].tokens;
        uint8_t minutes = sent->prompt.blocks[i].ttl == WP_TTL_1H   ? 60
                          : sent->prompt.blocks[i].ttl == WP_TTL_5M ? 5
                                                                    : 0;
        if (minutes != real->blocks[i].ttl_minutes)
            return agree_wrong(a, "another breakpoint", sent);
    }
    sent->prompt.tokens = real->tokens;
    return true;
}

static bool agree_compare(struct agree *a, struct agree_sent *sent)
{
    const struct wp_cache_rules *rules =
        wp_cache_rules(a->platform == SIM_ANTHROPIC ? WP_PLATFORM_ANTHROPIC : WP_PLATFORM_BEDROCK);
    uint32_t minimum = sim_minimum_tokens(a->platform, agree_model());
    struct wp_sighting sighting;
    uint64_t now_ns = (uint64_t)a->now_ms * 1000000u;
    sim_cache_request(&a->cache, agree_model(), minimum, &sent->request.prompt, a->now_ms,
                      &sent->usage, &sent->use);
    wp_model_search(&a->model, rules, &sent->prompt, &a->domain, 1, now_ns, &sighting);
    sighting.pending_block = 0; // nobody waits here
    wp_model_forecast(a->domain, rules, &sent->prompt, minimum, &sighting, &sent->forecast);
    sent->trace = (struct wp_trace){.domain = a->domain,
                                    .rules = rules,
                                    .prompt = &sent->prompt,
                                    .begun_ns = now_ns,
                                    .min_tokens = minimum};
    a->domain->refs++;
    wp_model_begin(&a->model, &sent->trace, &sent->forecast, &sighting);
    sent->open = true;
    a->hits += sent->usage.read > 0;
    a->split_ttl += sent->usage.write_1h > 0 && sent->usage.write_5m > 0;
    const struct wp_forecast *f = &sent->forecast;
    if (f->read != sent->usage.read || f->write_5m != sent->usage.write_5m ||
        f->write_1h != sent->usage.write_1h || f->uncached != sent->usage.input)
        return agree_wrong(a, "not what was billed", sent);
    return true;
}

static bool agree_send(struct agree *a, const struct agree_talk *talk, struct agree_sent *sent)
{
    struct agree_markers markers;
    const char *detail;
    size_t offset;
    int status;
    wp_view message;
    *sent = (struct agree_sent){.arena = wp_arena_create(0),
                                .body = wp_buf_make(16 << 20),
                                .gateway_body = wp_buf_make(16 << 20)};
    agree_mark(a, talk, &markers);
    bool strings = agree_chance(a, 3);
    a->for_gateway = false;
    agree_body(a, talk, &markers, strings, &sent->body);
    a->for_gateway = true;
    agree_body(a, talk, &markers, strings, &sent->gateway_body);
    a->requests++;
    wp_view betas = wp_view_of(agree_betas(talk));
    const struct sim_reading reading = {
        .platform = a->platform,
        .model = agree_model(),
        .betas = a->platform == SIM_ANTHROPIC ? betas : WP_VIEW(""),
        .account = WP_VIEW("account"),
        .rules.thinking_in_head = a->thinking_in_head,
    };
    if (!sim_request_parse(sent->arena, &reading, wp_buf_view(&sent->body), &sent->request, &status,
                           &message)) {
        a->refused++;
        return status == 400 || agree_wrong(a, "refused with another status", sent);
    }
    const struct wp_chain_options options = {
        .key = &a->key, .thinking_in_head = a->thinking_in_head, .betas = betas};
    if (wp_request_scan(sent->arena, wp_buf_view(&sent->gateway_body), &sent->scanned, &detail,
                        &offset) != WP_OK ||
        wp_chain_build(sent->arena, &sent->scanned, &options, &sent->prompt) != WP_OK)
        return agree_wrong(a, "not read", sent);
    return agree_take_sizes(a, sent) && agree_compare(a, sent);
}

// Its answer begins, and ends; or it fails before that.
static void agree_end(struct agree *a, struct agree_sent *sent, bool begun)
{
    if (sent->open && begun) {
        sim_cache_begun(&a->cache, agree_model(), &sent->use);
        wp_model_started(&a->model, &sent->trace);
        uint32_t next = wp_model_refresh(&a->model, &sent->trace, 0);
        while (next > 0)
            next = wp_model_refresh(&a->model, &sent->trace, next);
        const struct wp_usage usage = {.seen = true,
                                       .input = sent->usage.input,
                                       .cache_read = sent->usage.read,
                                       .cache_write_5m = sent->usage.write_5m,
                                       .cache_write_1h = sent->usage.write_1h};
        if (a->correct)
            wp_model_correct(&a->model, &sent->trace, &usage);
    } else if (sent->open) {
        sim_cache_failed(&a->cache, agree_model(), &sent->use);
    }
    if (sent->open)
        wp_model_end(&a->model, &sent->trace);
    wp_buf_free(&sent->body);
    wp_buf_free(&sent->gateway_body);
    wp_arena_destroy(sent->arena);
    *sent = (struct agree_sent){0};
}

static void agree_wait(struct agree *a)
{
    static const uint32_t seconds[] = {1, 20, 200, 299, 300, 301, 1000, 3599, 3600, 4000};
    a->now_ms += 1000 * (int64_t)seconds[agree_chance(a, 6) ? agree_pick(a, 10) : agree_pick(a, 2)];
}

// One moment: up to four requests at once, then time passes. False: a->problem says what differs.
static bool agree_step(struct agree *a)
{
    struct agree_sent sent[AGREE_PENDING];
    uint32_t count = agree_chance(a, 4) ? 1 + agree_pick(a, AGREE_PENDING) : 1;
    bool same = true;
    for (uint32_t i = 0; i < count; i++) {
        struct agree_talk *talk = &a->talks[agree_pick(a, AGREE_TALKS)];
        agree_change(a, talk);
        same &= agree_send(a, talk, &sent[i]);
    }
    for (uint32_t i = 0; i < count; i++) {
        // A refusal that has read keeps its entries alive at the one and not at the other: what a
        // provider does then is not known.
        bool fails = sent[i].open && sent[i].usage.read == 0 && agree_chance(a, 5);
        agree_end(a, &sent[i], !fails);
    }
    agree_wait(a);
    return same;
}

static void agree_open(struct agree *a, const struct agree_choices *choices,
                       enum sim_platform platform)
{
    *a = (struct agree){.choices = choices, .platform = platform, .now_ms = 10000000};
    a->cache.entries = wp_map_make(1000000);
    wp_model_init(&a->model, 100000, 100000);
    wp_hash_key_init(&a->key, WP_VIEW("thirty-two bytes of a fixed seed"));
    a->domain = wp_model_acquire(&a->model, (struct wp_hash128){1, 1});
    a->thinking_in_head = agree_chance(a, 2);
}

static void agree_close(struct agree *a)
{
    sim_cache_free(&a->cache);
    wp_model_free(&a->model);
}

#endif
