"""Inspect: responses that are there already, scored by its `model_graded_qa`."""

from _measuring import Judge, Pair, main


def start(url: str, concurrency: int) -> Judge:
    import inspect_ai
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig, get_model
    from inspect_ai.scorer import model_graded_qa
    from inspect_ai.solver import Generate, Solver, TaskState, solver

    model = get_model(
        "openai-api/bench/judge",
        base_url=url,
        api_key="key",
        config=GenerateConfig(max_connections=concurrency, temperature=0.5),
    )

    @solver
    def ready_made() -> Solver:
        async def solve(state: TaskState, _: Generate) -> TaskState:
            state.output.completion = state.metadata["response"]
            return state

        return solve

    def judge(pairs: list[Pair]) -> int:
        samples = [
            Sample(
                input=pair.query,
                target="A correct answer names the rule.",
                metadata={"response": pair.first},
            )
            for pair in pairs
        ]
        task = inspect_ai.Task(
            dataset=samples, solver=ready_made(), scorer=model_graded_qa(model=model)
        )
        (log,) = inspect_ai.eval(
            task,
            model=model,
            display="none",
            max_samples=concurrency,
            max_connections=concurrency,
            log_dir="logs",
        )
        scores = [sample.scores["model_graded_qa"].value for sample in log.samples or []]
        return scores.count("C")

    return judge


if __name__ == "__main__":
    main(start)
