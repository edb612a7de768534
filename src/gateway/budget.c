#include "gateway/budget.h"

enum { ATTEMPT = 1000 };

static const uint64_t SECOND_NS = 1000000000u;

void wp_retry_budget_init(struct wp_retry_budget *budget, uint64_t now_ns)
{
    atomic_store(&budget->balance, (int64_t)WP_BUDGET_RESERVE * ATTEMPT);
    atomic_store(&budget->refilled_ns, now_ns);
    atomic_store(&budget->spent, 0);
    atomic_store(&budget->denied, 0);
}

// Adds up to a maximum that other threads may be adding to as well.
static void add(struct wp_retry_budget *budget, int64_t amount, int64_t most)
{
    int64_t balance = atomic_load(&budget->balance);
    while (balance < most) {
        int64_t next = balance + amount > most ? most : balance + amount;
        if (atomic_compare_exchange_weak(&budget->balance, &balance, next))
            return;
    }
}

void wp_retry_budget_earn(struct wp_retry_budget *budget, double share)
{
    double amount = share * ATTEMPT, most = (double)WP_BUDGET_MOST * ATTEMPT;
    add(budget, amount > most ? (int64_t)most : (int64_t)amount, (int64_t)most);
}

// One attempt per second, up to the reserve: a gateway with three requests a minute may retry too.
static void refill(struct wp_retry_budget *budget, uint64_t now_ns)
{
    uint64_t last = atomic_load(&budget->refilled_ns);
    if (now_ns < last + SECOND_NS)
        return;
    uint64_t seconds = (now_ns - last) / SECOND_NS;
    if (!atomic_compare_exchange_strong(&budget->refilled_ns, &last, last + seconds * SECOND_NS))
        return; // another thread does it
    seconds = seconds > WP_BUDGET_RESERVE ? WP_BUDGET_RESERVE : seconds;
    add(budget, (int64_t)seconds * ATTEMPT, (int64_t)WP_BUDGET_RESERVE * ATTEMPT);
}

bool wp_retry_budget_spend(struct wp_retry_budget *budget, uint64_t now_ns)
{
    refill(budget, now_ns);
    int64_t balance = atomic_load(&budget->balance);
    while (balance >= ATTEMPT) {
        if (atomic_compare_exchange_weak(&budget->balance, &balance, balance - ATTEMPT)) {
            atomic_fetch_add(&budget->spent, 1);
            return true;
        }
    }
    atomic_fetch_add(&budget->denied, 1);
    return false;
}
