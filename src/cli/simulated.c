#include "cli/simulated.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "base/alloc.h"

struct wp_simulated {
    struct wp_loop *loop;
    struct wp_sim *sim;
    pthread_t thread;
};

static void *run(void *arg)
{
    struct wp_simulated *simulated = arg;
    wp_loop_run(simulated->loop);
    return NULL;
}

struct wp_simulated *wp_simulated_start(const struct wp_sim_config *config)
{
    char error[512] = "out of memory";
    struct wp_simulated *simulated = wp_alloc_or_die(sizeof(*simulated));
    if (wp_loop_create(&simulated->loop) == WP_OK &&
        wp_sim_start(simulated->loop, config, &simulated->sim, error, sizeof(error)) == WP_OK &&
        pthread_create(&simulated->thread, NULL, run, simulated) == 0)
        return simulated;
    fprintf(stderr, "warmpath: the simulated provider cannot listen on %s:%u: %s\n", config->host,
            config->port, error);
    wp_sim_free(simulated->sim);
    if (simulated->loop != NULL)
        wp_loop_destroy(simulated->loop);
    wp_free(simulated);
    return NULL;
}

uint16_t wp_simulated_port(const struct wp_simulated *simulated)
{
    return wp_sim_port(simulated->sim);
}

static void stopped(void *arg)
{
    struct wp_simulated *simulated = arg;
    wp_loop_stop(simulated->loop);
}

static void stop_now(void *arg)
{
    struct wp_simulated *simulated = arg;
    wp_sim_stop(simulated->sim, stopped, simulated);
}

void wp_simulated_stop(struct wp_simulated *simulated)
{
    if (wp_loop_post(simulated->loop, stop_now, simulated) != WP_OK)
        wp_loop_stop(simulated->loop);
    pthread_join(simulated->thread, NULL);
    wp_sim_free(simulated->sim);
    wp_loop_destroy(simulated->loop);
    wp_free(simulated);
}

static void termination(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
}

void wp_simulated_block_signals(void)
{
    sigset_t set;
    termination(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void wp_simulated_wait_signal(void)
{
    sigset_t set;
    int signum;
    termination(&set);
    sigwait(&set, &signum);
}
