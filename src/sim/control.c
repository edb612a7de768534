// Looking into the simulated provider and making it misbehave, on its own port:
//
//   GET  /_sim/state                       accounts with requests, usage sums, live cache entries
//                                      (?totals: without the rows of what was received)
//   POST /_sim/faults   {"account":"account-1","kind":"status","status":429,"retry_after":"2",
//                        "retry_after_ms":"1500","count":1,"after_events":3,"delay_ms":0,"type":"…","message":"…"}
//        kind: status, reset, hang, exception, corrupt, truncate, html, redirect, slow;
//        after_events: absent or -1 strikes before the head; "account":"*" arms all;
//        "contains":"…" spares requests without that text; {"clear":true} disarms
//   POST /_sim/clock    {"advance_s":301}  moves the caches' clock
//   POST /_sim/rules    {"account":"*","thinking_in_head":true,"hour_as_5m":true,
//                        "bound_thinking":true}  where its cache differs; what is left out is off
//   POST /_sim/latency  {"ttft_ms":50,"event_ms":10}
//   POST /_sim/reset    {"caches":true}    forgets what was received (and the caches)
#include <stdio.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "sim/private.h"
#include "json/writer.h"

bool sim_fault_take(struct sim_account *account, wp_view body, struct sim_fault *out)
{
    bool armed = false;
    for (size_t i = 0; i < account->fault_count; i++) {
        struct sim_fault *fault = &account->faults[i];
        armed |= fault->count > 0;
        if (fault->count == 0 || !wp_view_contains(body, wp_view_of(fault->contains)))
            continue;
        fault->count--;
        *out = *fault;
        return true;
    }
    if (!armed)
        account->fault_count = 0;
    return false;
}

static void put_usage(struct wp_json_writer *w, const char *key, const struct sim_usage *usage)
{
    wp_json_open_object(w, key);
    wp_json_put_u64(w, "input_tokens", usage->input);
    wp_json_put_u64(w, "cache_read_input_tokens", usage->read);
    wp_json_put_u64(w, "cache_creation_5m_input_tokens", usage->write_5m);
    wp_json_put_u64(w, "cache_creation_1h_input_tokens", usage->write_1h);
    wp_json_put_u64(w, "output_tokens", usage->output);
    wp_json_close(w);
}

static void put_row(struct wp_json_writer *w, const struct sim_logged *row)
{
    wp_json_open_object(w, NULL);
    wp_json_put_u64(w, "number", row->number);
    wp_json_put_cstr(w, "path", row->path);
    wp_json_put_cstr(w, "model", row->model);
    wp_json_put_i64(w, "status", row->status);
    wp_json_put_bool(w, "stream", row->stream);
    wp_json_put_bool(w, "complete", row->complete);
    wp_json_put_cstr(w, "session", row->session);
    wp_json_put_cstr(w, "betas", row->betas);
    wp_json_put_cstr(w, "body_sha256", row->body_sha256);
    wp_json_put_u64(w, "body_bytes", row->body_len);
    put_usage(w, "usage", &row->usage);
    if (row->body != NULL)
        wp_json_put_str(w, "body", wp_view_make(row->body, row->body_len));
    wp_json_close(w);
}

static void put_account(struct wp_json_writer *w, const struct sim_account *account, int64_t now_ms,
                        bool rows)
{
    wp_json_open_object(w, NULL);
    wp_json_put_cstr(w, "name", account->config.name);
    wp_json_put_u64(w, "requests", account->requests);
    wp_json_put_u64(w, "failures", account->failures);
    wp_json_put_u64(w, "rejected", account->rejected);
    wp_json_put_u64(w, "cache_entries", sim_cache_live(&account->cache, now_ms));
    put_usage(w, "usage", &account->totals);
    wp_json_open_array(w, "received");
    for (size_t i = 0; rows && i < account->log_count; i++)
        put_row(w, &account->log[i]);
    wp_json_close(w);
    wp_json_close(w);
}

static void write_state(const struct wp_sim *sim, bool rows, struct wp_buf *buf)
{
    struct wp_json_writer w = wp_json_writer(buf);
    wp_json_open_object(&w, NULL);
    wp_json_put_u64(&w, "unauthorized", sim->unauthorized);
    wp_json_open_array(&w, "accounts");
    for (size_t i = 0; i < sim->account_count; i++)
        put_account(&w, &sim->accounts[i], sim_now_ms(sim), rows);
    wp_json_close(&w);
    wp_json_close(&w);
}

static bool fault_kind(wp_view name, enum sim_fault_kind *out)
{
    static const char *const names[SIM_FAULT_KINDS] = {
        "status", "reset", "hang", "exception", "corrupt", "truncate", "html", "redirect", "slow"};
    for (size_t i = 0; i < SIM_FAULT_KINDS; i++) {
        if (!wp_view_is(name, names[i]))
            continue;
        *out = (enum sim_fault_kind)i;
        return true;
    }
    return false;
}

static void copy(char *out, size_t size, const struct wp_json_val *val, const char *fallback)
{
    wp_view text = wp_json_str(val);
    snprintf(out, size, "%.*s", WP_VIEW_ARG(text.len > 0 ? text : wp_view_of(fallback)));
}

static const char *arm(struct wp_sim *sim, const struct wp_json_val *root)
{
    struct sim_fault fault = {0};
    wp_view name = wp_json_str(wp_json_get(root, "account"));
    bool clear = wp_json_bool(wp_json_get(root, "clear"), false), found = false;
    if (!clear && !fault_kind(wp_json_str(wp_json_get(root, "kind")), &fault.kind))
        return "unknown kind";
    fault.count = (uint32_t)wp_json_u64(wp_json_get(root, "count"), 1);
    fault.status = (int)wp_json_i64(wp_json_get(root, "status"), 500);
    fault.after_events = (int32_t)wp_json_i64(wp_json_get(root, "after_events"), -1);
    fault.delay_ms = (uint32_t)wp_json_u64(wp_json_get(root, "delay_ms"), 0);
    copy(fault.retry_after, sizeof(fault.retry_after), wp_json_get(root, "retry_after"), "");
    copy(fault.retry_after_ms, sizeof(fault.retry_after_ms), wp_json_get(root, "retry_after_ms"),
         "");
    copy(fault.type, sizeof(fault.type), wp_json_get(root, "type"), "");
    copy(fault.contains, sizeof(fault.contains), wp_json_get(root, "contains"), "");
    copy(fault.message, sizeof(fault.message), wp_json_get(root, "message"),
         "a fault that was asked for");
    for (size_t i = 0; i < sim->account_count; i++) {
        struct sim_account *account = &sim->accounts[i];
        if (name.len > 0 && !wp_view_is(name, "*") && !wp_view_is(name, account->config.name))
            continue;
        found = true;
        if (clear)
            account->fault_count = 0;
        else if (account->fault_count < SIM_FAULTS_MAX)
            account->faults[account->fault_count++] = fault;
        else
            return "too many faults";
    }
    return found ? NULL : "unknown account";
}

static const char *set_rules(struct wp_sim *sim, const struct wp_json_val *root)
{
    wp_view name = wp_json_str(wp_json_get(root, "account"));
    bool found = false;
    for (size_t i = 0; i < sim->account_count; i++) {
        struct sim_account *account = &sim->accounts[i];
        if (name.len > 0 && !wp_view_is(name, "*") && !wp_view_is(name, account->config.name))
            continue;
        found = true;
        account->rules = (struct sim_rules){
            .thinking_in_head = wp_json_bool(wp_json_get(root, "thinking_in_head"), false),
            .hour_as_5m = wp_json_bool(wp_json_get(root, "hour_as_5m"), false),
            .bound_thinking = wp_json_bool(wp_json_get(root, "bound_thinking"), false),
        };
    }
    return found ? NULL : "unknown account";
}

static void forget(struct wp_sim *sim, bool caches)
{
    for (size_t i = 0; i < sim->account_count; i++) {
        struct sim_account *account = &sim->accounts[i];
        for (size_t k = 0; k < account->log_count; k++)
            wp_free(account->log[k].body);
        account->log_count = 0;
        account->fault_count = 0;
        account->requests = account->failures = account->rejected = 0;
        account->totals = (struct sim_usage){0};
        if (!caches)
            continue;
        sim_cache_free(&account->cache);
        account->cache.entries = wp_map_make(1000000);
    }
    sim->unauthorized = 0;
}

static const char *change(struct wp_sim *sim, wp_view path, const struct wp_json_val *root)
{
    if (wp_view_is(path, "/_sim/faults"))
        return arm(sim, root);
    if (wp_view_is(path, "/_sim/rules"))
        return set_rules(sim, root);
    if (wp_view_is(path, "/_sim/clock")) {
        sim->clock_offset_ms += wp_json_i64(wp_json_get(root, "advance_s"), 0) * 1000;
    } else if (wp_view_is(path, "/_sim/latency")) {
        sim->ttft_ms = (uint32_t)wp_json_u64(wp_json_get(root, "ttft_ms"), sim->ttft_ms);
        sim->event_ms = (uint32_t)wp_json_u64(wp_json_get(root, "event_ms"), sim->event_ms);
    } else if (wp_view_is(path, "/_sim/reset")) {
        forget(sim, wp_json_bool(wp_json_get(root, "caches"), false));
    } else {
        return "unknown control path";
    }
    return NULL;
}

void sim_control(struct wp_sim *sim, struct wp_server_request *request,
                 const struct wp_request_head *head, wp_view body, struct wp_arena *arena)
{
    struct wp_headers headers;
    struct wp_buf buf = wp_buf_make(256 * 1024 * 1024);
    int status = 200;
    wp_headers_init(&headers, arena);
    if (wp_headers_add(&headers, WP_VIEW("content-type"), WP_VIEW("application/json")) != WP_OK) {
        wp_response_abort(request);
        return;
    }
    if (wp_view_is(head->path, "/_sim/state")) {
        write_state(sim, !wp_view_is(head->query, "totals"), &buf);
    } else {
        const char *problem = change(sim, head->path, wp_json_parse(arena, body));
        status = problem == NULL ? 200 : 400;
        wp_buf_printf(&buf, "{\"ok\":%s,\"problem\":\"%s\"}", problem == NULL ? "true" : "false",
                      problem == NULL ? "" : problem);
    }
    wp_response_send(request, status, &headers, wp_buf_view(&buf));
    wp_buf_free(&buf);
}
