// Command lines: one table of options per command; it also writes the help.
#ifndef WP_CLI_OPTIONS_H
#define WP_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wp_option_kind { WP_OPTION_FLAG, WP_OPTION_TEXT, WP_OPTION_NUMBER };

struct wp_option {
    const char *name;     // "--port"
    const char *alias;    // "-p", another spelling, or NULL
    const char *argument; // "N"; NULL for flags
    enum wp_option_kind kind;
    void *target;         // bool*, const char**, uint32_t*
    uint32_t least, most; // of numbers
    const char *help;
};

struct wp_command {
    const char *name;
    const char *arguments; // "[FILE]"
    const char *summary;   // one line
    const char *details;   // examples first; may hold several lines
    int (*run)(int argc, char **argv);
};

// Parses options; positional arguments are moved to the front of argv (from argv[1]) and counted in
// *positional. Prints help and returns 0 for --help; 2 after an error message; -1 to go on.
int wp_options_parse(const struct wp_command *command, const struct wp_option *options,
                     size_t count, int argc, char **argv, int *positional, int most_positional);

#endif
