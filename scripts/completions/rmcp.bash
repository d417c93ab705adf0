#!/bin/bash

__rmcp_cursor_index_in_current_word() {
    local remaining="${COMP_LINE}"

    local word
    for word in "${COMP_WORDS[@]::COMP_CWORD}"; do
        remaining="${remaining##*([[:space:]])"${word}"*([[:space:]])}"
    done

    local -ir index="$((COMP_POINT - ${#COMP_LINE} + ${#remaining}))"
    if [[ "${index}" -le 0 ]]; then
        printf 0
    else
        printf %s "${index}"
    fi
}

# positional arguments:
#
# - 1: the current (sub)command's count of positional arguments
#
# required variables:
#
# - repeating_flags: the repeating flags that the current (sub)command can accept
# - non_repeating_flags: the non-repeating flags that the current (sub)command can accept
# - repeating_options: the repeating options that the current (sub)command can accept
# - non_repeating_options: the non-repeating options that the current (sub)command can accept
# - positional_number: value ignored
# - unparsed_words: unparsed words from the current command line
#
# modified variables:
#
# - non_repeating_flags: remove flags for this (sub)command that are already on the command line
# - non_repeating_options: remove options for this (sub)command that are already on the command line
# - positional_number: set to the current positional number
# - unparsed_words: remove all flags, options, and option values for this (sub)command
__rmcp_offer_flags_options() {
    local -ir positional_count="${1}"
    positional_number=0

    local was_flag_option_terminator_seen=false
    local is_parsing_option_value=false

    local -ar unparsed_word_indices=("${!unparsed_words[@]}")
    local -i word_index
    for word_index in "${unparsed_word_indices[@]}"; do
        if "${is_parsing_option_value}"; then
            # This word is an option value:
            # Reset marker for next word iff not currently the last word
            [[ "${word_index}" -ne "${unparsed_word_indices[${#unparsed_word_indices[@]} - 1]}" ]] && is_parsing_option_value=false
            unset "unparsed_words[${word_index}]"
            # Do not process this word as a flag or an option
            continue
        fi

        local word="${unparsed_words["${word_index}"]}"
        if ! "${was_flag_option_terminator_seen}"; then
            case "${word}" in
            --)
                unset "unparsed_words[${word_index}]"
                # by itself -- is a flag/option terminator, but if it is the last word, it is the start of a completion
                if [[ "${word_index}" -ne "${unparsed_word_indices[${#unparsed_word_indices[@]} - 1]}" ]]; then
                    was_flag_option_terminator_seen=true
                fi
                continue
                ;;
            -*)
                # ${word} is a flag or an option
                # If ${word} is an option, mark that the next word to be parsed is an option value
                local option
                for option in "${repeating_options[@]}" "${non_repeating_options[@]}"; do
                    [[ "${word}" = "${option}" ]] && is_parsing_option_value=true && break
                done

                # Remove ${word} from ${non_repeating_flags} or ${non_repeating_options} so it isn't offered again
                local not_found=true
                local -i index
                for index in "${!non_repeating_flags[@]}"; do
                    if [[ "${non_repeating_flags[${index}]}" = "${word}" ]]; then
                        unset "non_repeating_flags[${index}]"
                        non_repeating_flags=("${non_repeating_flags[@]}")
                        not_found=false
                        break
                    fi
                done
                if "${not_found}"; then
                    for index in "${!non_repeating_flags[@]}"; do
                        if [[ "${non_repeating_flags[${index}]}" = "${word}" ]]; then
                            unset "non_repeating_flags[${index}]"
                            non_repeating_flags=("${non_repeating_flags[@]}")
                            break
                        fi
                    done
                fi
                unset "unparsed_words[${word_index}]"
                continue
                ;;
            esac
        fi

        # ${word} is neither a flag, nor an option, nor an option value
        if [[ "${positional_number}" -lt "${positional_count}" || "${positional_count}" -lt 0 ]]; then
            # ${word} is a positional
            ((positional_number++))
            unset "unparsed_words[${word_index}]"
        else
            if [[ -z "${word}" ]]; then
                # Could be completing a flag, option, or subcommand
                positional_number=-1
            else
                # ${word} is a subcommand or invalid, so stop processing this (sub)command
                positional_number=-2
            fi
            break
        fi
    done

    unparsed_words=("${unparsed_words[@]}")

    if\
        ! "${was_flag_option_terminator_seen}"\
        && ! "${is_parsing_option_value}"\
        && [[ ("${cur}" = -* && "${positional_number}" -ge 0) || "${positional_number}" -eq -1 ]]
    then
        COMPREPLY+=($(compgen -W "${repeating_flags[*]} ${non_repeating_flags[*]} ${repeating_options[*]} ${non_repeating_options[*]}" -- "${cur}"))
    fi
}

__rmcp_add_completions() {
    local completion
    while IFS='' read -r completion; do
        COMPREPLY+=("${completion}")
    done < <(IFS=$'\n' compgen "${@}" -- "${cur}")
}

__rmcp_custom_complete() {
    if [[ -n "${cur}" || -z ${COMP_WORDS[${COMP_CWORD}]} || "${COMP_LINE:${COMP_POINT}:1}" != ' ' ]]; then
        local -ar words=("${COMP_WORDS[@]}")
    else
        local -ar words=("${COMP_WORDS[@]::${COMP_CWORD}}" '' "${COMP_WORDS[@]:${COMP_CWORD}}")
    fi

    "${COMP_WORDS[0]}" "${@}" "${words[@]}"
}

_rmcp() {
    local state
    state="$(shopt -p;shopt -po)"
    trap "${state//$'\n'/;}" RETURN
    shopt -s extglob
    set +o history +o posix

    local -xr SAP_SHELL=bash
    local -x SAP_SHELL_VERSION
    SAP_SHELL_VERSION="$(IFS='.';printf %s "${BASH_VERSINFO[*]}")"
    local -r SAP_SHELL_VERSION

    local -r cur="${2}"
    local -r prev="${3}"

    local -i positional_number
    local -a unparsed_words=("${COMP_WORDS[@]:1:${COMP_CWORD}}")

    local -a repeating_flags=()
    local -a non_repeating_flags=(--version -h --help)
    local -a repeating_options=()
    local -a non_repeating_options=()
    __rmcp_offer_flags_options 0

    # Offer subcommand / subcommand argument completions
    local -r subcommand="${unparsed_words[0]}"
    unset 'unparsed_words[0]'
    unparsed_words=("${unparsed_words[@]}")
    case "${subcommand}" in
    send|recv|repair|watch|keygen|report|help)
        # Offer subcommand argument completions
        "_rmcp_${subcommand}"
        ;;
    *)
        # Offer subcommand completions
        COMPREPLY+=($(compgen -W 'send recv repair watch keygen report help' -- "${cur}"))
        ;;
    esac
}

_rmcp_send() {
    repeating_flags=()
    non_repeating_flags=(--unsigned --no-unsigned --supersede --no-supersede --view --no-view --one-file-system --no-one-file-system --owner --no-owner --numeric-owner --no-numeric-owner --xattrs --no-xattrs --all-xattrs --no-all-xattrs --check --no-check --json --no-json -q --quiet --no-quiet -v --verbose --no-verbose --version -h --help)
    repeating_options=(--exclude --trust-repair)
    non_repeating_options=(-g --group -i --interface --ttl --rate --min-rate --max-rate --level --wait-for --require --min-wait --max-wait --linger --until --key --name --report --files-from0 --group-key --max-unicast-children --config --metrics --metrics-listen --color)
    __rmcp_offer_flags_options -1

    # Offer option value completions
    case "${prev}" in
    '-g'|'--group')
        return
        ;;
    '-i'|'--interface')
        __rmcp_add_completions -W "$(eval 'ls /sys/class/net')"
        return
        ;;
    '--ttl')
        return
        ;;
    '--rate')
        return
        ;;
    '--min-rate')
        return
        ;;
    '--max-rate')
        return
        ;;
    '--level')
        __rmcp_add_completions -W 'auto'$'\n''0'$'\n''3'$'\n''9'$'\n''19'
        return
        ;;
    '--wait-for')
        return
        ;;
    '--require')
        return
        ;;
    '--min-wait')
        return
        ;;
    '--max-wait')
        return
        ;;
    '--linger')
        return
        ;;
    '--until')
        __rmcp_add_completions -W 'receivers'$'\n''repair'
        return
        ;;
    '--key')
        __rmcp_add_completions -f
        return
        ;;
    '--name')
        return
        ;;
    '--report')
        __rmcp_add_completions -o plusdirs -fX '!*.@(html)'
        return
        ;;
    '--files-from0')
        __rmcp_add_completions -f
        return
        ;;
    '--exclude')
        return
        ;;
    '--group-key')
        __rmcp_add_completions -f
        return
        ;;
    '--max-unicast-children')
        return
        ;;
    '--trust-repair')
        __rmcp_add_completions -f
        return
        ;;
    '--config')
        __rmcp_add_completions -o plusdirs -fX '!*.@(toml)'
        return
        ;;
    '--metrics')
        __rmcp_add_completions -f
        return
        ;;
    '--metrics-listen')
        return
        ;;
    '--color')
        __rmcp_add_completions -W 'auto'$'\n''always'$'\n''never'
        return
        ;;
    esac

    # Offer positional completions
    case "${positional_number}" in
    *)
        __rmcp_add_completions -f
        return
        ;;
    esac
}

_rmcp_recv() {
    repeating_flags=()
    non_repeating_flags=(--replace-first --no-replace-first --once --no-once --allow-rollback --no-allow-rollback --again --no-again --allow-special --no-allow-special --owner --no-owner --xattrs --no-xattrs --allow-unsigned --no-allow-unsigned --check --no-check --json --no-json -q --quiet --no-quiet -v --verbose --no-verbose --version -h --help)
    repeating_options=(--accept --trust --trust-repair)
    non_repeating_options=(-g --group -i --interface -d --directory -o --output --exec --exec-timeout --spool-events --reserve --label --timeout --replace --group-key --config --metrics --metrics-listen)
    __rmcp_offer_flags_options 0

    # Offer option value completions
    case "${prev}" in
    '-g'|'--group')
        return
        ;;
    '-i'|'--interface')
        __rmcp_add_completions -W "$(eval 'ls /sys/class/net')"
        return
        ;;
    '-d'|'--directory')
        __rmcp_add_completions -d
        return
        ;;
    '-o'|'--output')
        __rmcp_add_completions -f
        return
        ;;
    '--accept')
        return
        ;;
    '--exec')
        return
        ;;
    '--exec-timeout')
        return
        ;;
    '--spool-events')
        __rmcp_add_completions -d
        return
        ;;
    '--reserve')
        return
        ;;
    '--label')
        return
        ;;
    '--timeout')
        return
        ;;
    '--replace')
        __rmcp_add_completions -W 'exchange'$'\n''symlink'
        return
        ;;
    '--trust')
        __rmcp_add_completions -f
        return
        ;;
    '--group-key')
        __rmcp_add_completions -f
        return
        ;;
    '--trust-repair')
        __rmcp_add_completions -f
        return
        ;;
    '--config')
        __rmcp_add_completions -o plusdirs -fX '!*.@(toml)'
        return
        ;;
    '--metrics')
        __rmcp_add_completions -f
        return
        ;;
    '--metrics-listen')
        return
        ;;
    esac
}

_rmcp_repair() {
    repeating_flags=()
    non_repeating_flags=(--allow-unsigned --no-allow-unsigned --check --no-check --json --no-json -q --quiet --no-quiet -v --verbose --no-verbose --version -h --help)
    repeating_options=(--trust --trust-repair)
    non_repeating_options=(-g --group -i --interface --cache --cache-size --reserve --region --region-interface --region-ttl --upstream --key --max-unicast-children --group-key --config --metrics --metrics-listen)
    __rmcp_offer_flags_options 0

    # Offer option value completions
    case "${prev}" in
    '-g'|'--group')
        return
        ;;
    '-i'|'--interface')
        __rmcp_add_completions -W "$(eval 'ls /sys/class/net')"
        return
        ;;
    '--cache')
        __rmcp_add_completions -d
        return
        ;;
    '--cache-size')
        return
        ;;
    '--reserve')
        return
        ;;
    '--region')
        return
        ;;
    '--region-interface')
        __rmcp_add_completions -W "$(eval 'ls /sys/class/net')"
        return
        ;;
    '--region-ttl')
        return
        ;;
    '--upstream')
        return
        ;;
    '--key')
        __rmcp_add_completions -f
        return
        ;;
    '--max-unicast-children')
        return
        ;;
    '--trust')
        __rmcp_add_completions -f
        return
        ;;
    '--group-key')
        __rmcp_add_completions -f
        return
        ;;
    '--trust-repair')
        __rmcp_add_completions -f
        return
        ;;
    '--config')
        __rmcp_add_completions -o plusdirs -fX '!*.@(toml)'
        return
        ;;
    '--metrics')
        __rmcp_add_completions -f
        return
        ;;
    '--metrics-listen')
        return
        ;;
    esac
}

_rmcp_watch() {
    repeating_flags=()
    non_repeating_flags=(--once --no-once --json --no-json -q --quiet --no-quiet -v --verbose --no-verbose --version -h --help)
    repeating_options=(--trust)
    non_repeating_options=(-g --group -i --interface --group-key --config --color)
    __rmcp_offer_flags_options 0

    # Offer option value completions
    case "${prev}" in
    '-g'|'--group')
        return
        ;;
    '-i'|'--interface')
        __rmcp_add_completions -W "$(eval 'ls /sys/class/net')"
        return
        ;;
    '--trust')
        __rmcp_add_completions -f
        return
        ;;
    '--group-key')
        __rmcp_add_completions -f
        return
        ;;
    '--config')
        __rmcp_add_completions -o plusdirs -fX '!*.@(toml)'
        return
        ;;
    '--color')
        __rmcp_add_completions -W 'auto'$'\n''always'$'\n''never'
        return
        ;;
    esac
}

_rmcp_keygen() {
    repeating_flags=()
    non_repeating_flags=(--group --no-group --json --no-json --version -h --help)
    repeating_options=()
    non_repeating_options=(-o --output)
    __rmcp_offer_flags_options 1

    # Offer option value completions
    case "${prev}" in
    '-o'|'--output')
        __rmcp_add_completions -f
        return
        ;;
    esac

    # Offer positional completions
    case "${positional_number}" in
    1)
        __rmcp_add_completions -f
        return
        ;;
    esac
}

_rmcp_report() {
    repeating_flags=()
    non_repeating_flags=(--version -h --help)
    repeating_options=()
    non_repeating_options=(-o --output --session)
    __rmcp_offer_flags_options 1

    # Offer option value completions
    case "${prev}" in
    '-o'|'--output')
        __rmcp_add_completions -o plusdirs -fX '!*.@(html)'
        return
        ;;
    '--session')
        return
        ;;
    esac

    # Offer positional completions
    case "${positional_number}" in
    1)
        __rmcp_add_completions -o plusdirs -fX '!*.@(jsonl|json)'
        return
        ;;
    esac
}

_rmcp_help() {
    repeating_flags=()
    non_repeating_flags=(--version)
    repeating_options=()
    non_repeating_options=()
    __rmcp_offer_flags_options -1
}

complete -o filenames -F _rmcp rmcp
