// The commands of the program, one file each.
#ifndef WP_CLI_COMMANDS_H
#define WP_CLI_COMMANDS_H

#include "cli/options.h"

extern const struct wp_command wp_command_serve;
extern const struct wp_command wp_command_check;
extern const struct wp_command wp_command_demo;
extern const struct wp_command wp_command_provider;
extern const struct wp_command wp_command_reference;
extern const struct wp_command wp_command_simulate;
extern const struct wp_command wp_command_export;

#endif
