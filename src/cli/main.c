#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/view.h"
#include "cli/commands.h"

static const struct wp_command *const COMMANDS[] = {
    &wp_command_serve,    &wp_command_check,  &wp_command_demo,      &wp_command_provider,
    &wp_command_simulate, &wp_command_export, &wp_command_reference,
};

static void print_help(FILE *to)
{
    fputs("warmpath " WP_VERSION ": an LLM gateway that keeps prompt caches warm\n\n"
          "  warmpath demo                        try it: two simulated accounts, no keys needed\n"
          "  warmpath serve --config FILE         run the gateway on a LiteLLM config\n"
          "  warmpath check FILE                  all problems of a config at once\n\n"
          "commands:\n",
          to);
    for (size_t i = 0; i < WP_COUNT_OF(COMMANDS); i++)
        fprintf(to, "  %-12s %s\n", COMMANDS[i]->name, COMMANDS[i]->summary);
    fputs("  version      the version of this program\n\n"
          "warmpath help COMMAND tells more.\n",
          to);
}

static int unknown_command(const char *name)
{
    const char *nearest = NULL;
    size_t best = 4;
    for (size_t i = 0; i < WP_COUNT_OF(COMMANDS); i++) {
        size_t distance = wp_view_distance(wp_view_of(name), wp_view_of(COMMANDS[i]->name));
        if (distance < best) {
            best = distance;
            nearest = COMMANDS[i]->name;
        }
    }
    fprintf(stderr, "warmpath: there is no command %s%s%s%s See warmpath --help.\n", name,
            nearest != NULL ? "; did you mean " : ".", nearest != NULL ? nearest : "",
            nearest != NULL ? "?" : "");
    return 2;
}

static int run_command(int argc, char **argv)
{
    for (size_t i = 0; i < WP_COUNT_OF(COMMANDS); i++)
        if (strcmp(argv[0], COMMANDS[i]->name) == 0)
            return COMMANDS[i]->run(argc, argv);
    return unknown_command(argv[0]);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        (strcmp(argv[1], "help") == 0 && argc == 2)) {
        print_help(stdout);
        return 0;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        puts("warmpath " WP_VERSION);
        return 0;
    }
    if (strcmp(argv[1], "help") == 0) {
        char flag[] = "--help";
        char *asked[] = {argv[2], flag, NULL};
        return run_command(2, asked);
    }
    return run_command(argc - 1, argv + 1);
}
